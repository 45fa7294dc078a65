from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nercc_tune import terminal
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Goal, Interval
from nercc_tune.spec import StudySpec
from tests.builders import study_history, tuned_table
from tests.fakes import finished_result, tiny_spec
from tests.terminal.shown import shown
from tests.variants import DISTRUST, random_table, with_wrong_answers


def test_the_table_has_a_line_for_each_count() -> None:
    table = tuned_table()
    text = shown(terminal.table_of_results(table))
    for entry in table.entries:
        assert terminal.show_smoothing(entry.lambda_dec) in text
        assert f"{entry.heldout.mse.mean:.3g}" in text


def test_counts_and_pairs_are_whole_in_a_narrow_terminal() -> None:
    table = tuned_table()
    text = shown(terminal.table_of_results(table), width=100)
    for entry in table.entries:
        assert f"│ {entry.stragglers:>3} │" in text
        assert terminal.show_smoothing(entry.lambda_enc) in text
        assert terminal.show_smoothing(entry.lambda_dec) in text
    assert "…" not in text


def test_zero_is_shown_as_zero() -> None:
    assert terminal.show_smoothing(0.0) == "0"
    assert terminal.show_smoothing(1.234e-9) == "1.23e-09"


def test_the_table_names_designs_waiting_times_and_ranges_where_there_are_any() -> None:
    text = shown(terminal.table_of_results(random_table()))
    for word in ("wait", "code", "21–40", "1.51", "uniform,", "interleaved,"):
        assert word in text
    plain = shown(terminal.table_of_results(tuned_table()))
    assert "wait" not in plain
    assert " code " not in plain


def test_the_unit_of_waiting_times_is_shown() -> None:
    text = shown(terminal.table_of_results(replace(random_table(), straggling={"unit": "ms"})))
    assert "wait, ms" in text


def test_a_gain_is_shown_as_a_change() -> None:
    entry = replace(tuned_table().entries[0], gains={"bacc": Interval(mean=0.25, low=-0.05, high=0.3)})
    text = shown(terminal.table_of_results(replace(tuned_table(), entries=(entry,))))
    assert "-25.0% [-30.0%, +5.0%]" in text
    assert text.count("–") == 1


def test_the_table_shows_the_error_of_the_goal() -> None:
    table = replace(tuned_table(), goal=Goal(metric="rel_acc"))
    text = shown(terminal.table_of_results(table))
    assert "MSE (probabilities)" in text
    assert f"{table.entries[0].heldout.prob_mse.mean:.3g} [" in text


def test_the_policy_and_the_best_single_pair_are_a_line_each() -> None:
    table = tuned_table()
    first, second = terminal.policy_lines(table).splitlines()
    assert first.startswith(
        "policy: chebyshev, probabilities, λ_enc 4.00e-07 for all, λ_dec by S (S=20: 1.00e-08, S=40"
    )
    assert first.count("S=") == len(table.policy.entries)
    assert second == (
        "expected over S: policy 0.0864 [0.0777, 0.0968], best single pair (6.00e-07, 2.00e-08) "
        "0.108 [0.0972, 0.121], difference -0.0216 [-0.0259, -0.0164]"
    )


def test_the_policy_names_ranges_and_its_design() -> None:
    first, _ = terminal.policy_lines(random_table()).splitlines()
    assert first.startswith("policy: chord-length, nearest-neighbour, logits-softmax, λ_enc")
    assert "S=81–120: 3.16e-06" in first


def test_a_code_that_distrusts_says_how() -> None:
    table = TunedTable.from_history(with_wrong_answers(study_history()))
    text = shown(terminal.table_of_results(table))
    assert " decoder " in text
    assert f"{terminal.show_smoothing(table.entries[0].lambda_dec)}; residuals" in text
    first, second = terminal.policy_lines(table).splitlines()
    assert "for all, λ_dec by S (S=20: 1.00e-08, S=40" in first
    assert "best single pair (6.00e-07, 2.00e-08; residuals beyond 4.2)" in second
    policy = replace(
        table.policy, entries=(replace(table.policy.entries[0], distrust=DISTRUST), *table.policy.entries[1:])
    )
    first, _ = terminal.policy_lines(replace(table, policy=policy)).splitlines()
    assert "for all, decoded by S (S=20: 1.00e-08; residuals beyond 4.2, S=40" in first


def _closing(spec: StudySpec | None = None, *, home: str = "nercc-home", **environment: str) -> str:
    return terminal.closing_lines(
        finished_result(), spec or tiny_spec(), home=Path(home), wall=1.0, environment=environment
    )


def test_what_to_type_next_names_the_home() -> None:
    named = _closing(home="else where")
    assert "nercc-tune export tiny --home 'else where' -o table.json" in named
    assert "forward passes: tuning 9, validation 6, held-out 4; 1 s" in named
    assert "--" not in _closing()


def test_what_to_type_next_names_stores_that_the_environment_does_not() -> None:
    url = "postgresql://ann:secret@db/optuna"
    spec = tiny_spec().placed(storage=url, tracking="http://mlflow:5000")
    lines = _closing(spec)
    assert "secret" not in lines
    assert "nercc-tune promote tiny --storage 'postgresql://ann:***@db/optuna' --tracking http://mlflow:5000\n" in lines
    assert "nercc-tune advise tiny --storage 'postgresql://ann:***@db/optuna'\n" in lines
    lines = _closing(spec, NERCC_TUNE_STORAGE=url)
    assert "nercc-tune promote tiny --tracking http://mlflow:5000\n" in lines
    assert "nercc-tune advise tiny\n" in lines

from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.export.comparison import Comparison, Setting
from nercc_tune.export.stretches import find_stretches, note_of_draws, sentence_of
from nercc_tune.records import LATE_SHARES
from tests.builders import heldout, tuned_table
from tests.comparing import setting_of, small_comparison, study, worth
from tests.variants import with_availability

_SETTINGS = (*small_comparison().settings, *Comparison.of([with_availability(tuned_table())]).settings)


def _values(setting: Setting, late: float) -> dict[str, float]:
    values = {}
    for code in setting.codes:
        assert code.availability is not None
        known = code.availability.overall_accuracy(late)
        least = (1 - code.availability.exposure(late)) * code.availability.available.mean
        values[code.name] = least if known is None else known
    return values


@pytest.mark.parametrize("setting", _SETTINGS, ids=lambda setting: setting.title)
def test_on_each_stretch_no_code_is_better_than_its_best(setting: Setting) -> None:
    start = 0.0
    for stretch in find_stretches(setting):
        assert start < stretch.upto
        for step in range(round(1000 * start) + 1, round(1000 * stretch.upto) + 1):
            values = _values(setting, step / 1000)
            assert values[stretch.best.name] >= max(values.values()) - 1e-9
        start = stretch.upto
    assert start == LATE_SHARES[-1]


@pytest.mark.parametrize("setting", _SETTINGS, ids=lambda setting: setting.title)
def test_ties_overlap_with_the_best_wherever_intervals_were_kept(setting: Setting) -> None:
    start = 0.0
    for stretch in find_stretches(setting):
        for late in [late for late in LATE_SHARES if start < late <= stretch.upto]:
            assert set(stretch.ties) <= set(setting.ties(stretch.best, late))
        assert stretch.best not in stretch.ties
        start = stretch.upto


def test_the_stretch_ends_where_the_lines_cross() -> None:
    """0.99 − 0.49 f and 0.95 − 0.05 f cross at f = 1 / 11."""
    setting = setting_of({"tuned": worth(0.5, available=0.99), "bacc": worth(0.9, available=0.95)})
    first, second = find_stretches(setting)
    assert (first.best.name, first.upto) == ("tuned NeRCC", 0.09)
    assert (second.best.name, second.upto) == ("BACC", 0.33)
    assert sentence_of(setting) == "K = 2, N = 3, S = 1: up to f = 9 % deploy tuned NeRCC, above that BACC."


def test_a_code_of_several_carriers_is_overtaken_as_the_square_of_f_says() -> None:
    """0.99 (1 − f²) + 0.2 f² = 0.98 − 0.04 f, where 0.79 f² − 0.04 f − 0.01 = 0."""
    codes = {"tuned": worth(0.2, available=0.99, carriers=(0, 0, 2)), "bacc": worth(0.94, available=0.98)}
    crossing = (0.04 + (0.04**2 + 4 * 0.79 * 0.01) ** 0.5) / (2 * 0.79)
    assert find_stretches(setting_of(codes))[0].upto == pytest.approx(crossing - 5e-4, abs=5e-4)


def test_three_codes_in_a_row_are_all_named() -> None:
    codes = {
        "tuned": worth(0.5, available=0.99),
        "bacc": worth(0.7, available=0.98),
        "replication": worth(0.9, available=0.95),
    }
    assert sentence_of(setting_of(codes)) == (
        "K = 2, N = 3, S = 1: up to f = 4.7 % deploy tuned NeRCC, up to 13 % BACC, above that replication."
    )


def test_one_code_for_all_is_named_with_what_it_ties_with() -> None:
    codes = {"tuned": worth(0.9), "bacc": worth(0.902), "uncoded": worth(0.1)}
    assert sentence_of(setting_of(codes)) == (
        "K = 2, N = 3, S = 1: deploy BACC (ties with tuned NeRCC), up to f = 33 %."
    )


def test_what_is_surely_worse_at_some_share_is_no_tie() -> None:
    setting = setting_of({"tuned": worth(0.9), "bacc": worth(0.89)})
    assert setting.ties(setting.codes[0], 0.05) == (setting.codes[1],)
    assert find_stretches(setting)[0].ties == ()


def test_equal_codes_do_not_take_turns() -> None:
    setting = setting_of({"tuned": worth(0.7), "bacc": worth(0.7), "replication": worth(0.7)})
    (stretch,) = find_stretches(setting)
    assert stretch.best.name == "tuned NeRCC"
    assert [code.name for code in stretch.ties] == ["BACC", "replication"]
    assert sentence_of(setting).endswith("deploy tuned NeRCC (ties with all others), up to f = 33 %.")


def test_a_stretch_between_the_kept_shares_ties_by_the_nearest_of_them() -> None:
    codes = {"tuned": worth(0.0, available=0.985), "bacc": worth(0.97, available=0.98)}
    first, second = find_stretches(setting_of(codes))
    assert first.upto < LATE_SHARES[0] < second.upto
    assert [code.name for code in first.ties] == []
    loose = {name: replace(code, availability=worth(0.5, reach=0.5).availability) for name, code in codes.items()}
    assert [code.name for code in find_stretches(setting_of(loose))[0].ties] == ["BACC"]


def test_without_accuracies_there_is_nothing_to_say() -> None:
    setting = setting_of({"tuned": heldout(0.1)})
    assert find_stretches(setting) == ()
    assert sentence_of(setting) == "K = 2, N = 3, S = 1: no accuracy on degraded queries is known."


def test_what_was_not_measured_is_no_choice() -> None:
    setting = setting_of({"tuned": heldout(0.0), "bacc": worth(0.5)})
    assert [stretch.best.name for stretch in find_stretches(setting)] == ["BACC"]


def test_other_draws_are_said() -> None:
    tables = [study(name, {"tuned": worth(0.9)}) for name in ("a", "b", "c")]
    (two,), (three,) = Comparison.of(tables[:2]).settings, Comparison.of(tables).settings
    assert note_of_draws(setting_of({"tuned": worth(0.9)})) == ""
    assert note_of_draws(two).startswith("K = 2, N = 3, S = 1: b was judged on other groups or masks than a, as far")
    assert "S = 1: b, c were judged on other groups or masks than a" in note_of_draws(three)

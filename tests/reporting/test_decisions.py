from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nercc_tune.export.advice import TUNED
from nercc_tune.export.table import TunedTable
from nercc_tune.records import CODE_NAMES, Goal, Interval
from nercc_tune.reporting.decisions import (
    candidates_section,
    deployment_section,
    describe_designs,
    describe_errors,
    describe_goal,
    describe_straggling,
)
from tests.builders import SPEC, heldout, study_history, tuned_table
from tests.variants import in_ranges, random_table, table_with, with_wrong_answers


@pytest.mark.parametrize(
    ("goal", "text"),
    [
        (Goal(), "the least MSE in the decode space"),
        (Goal(metric="agreement"), "the highest agreement with the uncoded model"),
        (Goal(metric="pareto"), "the least MSE in probabilities and the highest RelAcc, both"),
        (
            Goal(metric="prob_mse", min_rel_acc=0.95, min_agreement=0.9),
            (
                "the least MSE in probabilities, with RelAcc ≥ 0.95 and agreement ≥ 0.9 "
                "on the tuning and the validation draws"
            ),
        ),
    ],
)
def test_a_goal_is_told_with_its_floors(goal: Goal, text: str) -> None:
    assert describe_goal(goal) == text


def test_a_study_of_one_design_gives_it() -> None:
    given = "given ordering arrival, nodes chebyshev, assignment identity, decode space probabilities"
    assert describe_designs(SPEC) == f"searched λ_enc, λ_dec; {given}"
    assert describe_designs({"name": "x"}) == f"searched λ_enc, λ_dec; {given}"


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ({"count": 3}, "3 answers, others in every mask, in turn sign-flip, normal-10; found by residuals or copies"),
        (
            {"probability": 0.05, "sticky": True},
            (
                "each answer with probability 0.05, the same workers in every mask, in turn sign-flip, normal-10; "
                "found by residuals or copies"
            ),
        ),
    ],
)
def test_wrong_answers_are_told(errors: dict[str, Any], text: str) -> None:
    given = {"kinds": ["sign-flip", "normal-10"], **errors}
    assert describe_errors({**SPEC, "errors": given}) == text
    search = {**SPEC["search"], "distrusts": ["huber", "median"]}
    assert str(describe_errors({**SPEC, "errors": given, "search": search})).endswith("; found by huber or median")
    assert describe_errors({**SPEC, "errors": {"kinds": []}}) is None
    assert describe_errors(SPEC) is None


def test_what_is_searched_is_told_apart_from_the_baselines_design() -> None:
    search = {"orderings": ["arrival", "nearest-neighbour"], "nodes": ["chord-length"], "decode_spaces": []}
    assert describe_designs({**SPEC, "search": search}) == (
        "searched λ_enc, λ_dec, ordering arrival or nearest-neighbour; "
        "given nodes chord-length, assignment identity, decode space probabilities; "
        "baselines arrival, chebyshev, identity, probabilities"
    )


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "exactly S workers at random"),
        ({"model": "bursts"}, "S workers in bursts of whole racks of 8 workers"),
        ({"model": "worst", "sample": 30}, "the S workers with the longest run of neighbours, of 30 sampled sets"),
        ({"model": "independent", "probability": 0.2}, "each worker with probability 0.2, whatever the others do"),
        (
            {"model": "latency", "law": "pareto", "scale": 1.0, "shape": 2.5, "rate": 1.0, "rule": "first"},
            "pareto latencies (scale 1, shape 2.5), waiting for the first N − S answers",
        ),
        (
            {"model": "trace", "path": "somewhere/azure.csv", "rule": "deadline", "deadline": 1.5},
            "measured latencies (`azure.csv`), waiting until 1.5",
        ),
        (
            {"model": "trace", "path": "azure.csv", "rule": "deadline", "deadline": 1.5, "unit": "ms"},
            "measured latencies (`azure.csv`), waiting until 1.5 ms",
        ),
    ],
)
def test_the_straggler_model_is_told_in_words(settings: dict[str, Any], text: str) -> None:
    assert describe_straggling({"code": {"rack": 8}, "straggling": settings}) == text


def test_the_candidates_are_listed_for_each_cell_and_the_chosen_is_named() -> None:
    history = in_ranges(study_history(stragglers=(20, 40)))
    first = history.cells[0].entry
    assert first is not None
    missed = replace(first.candidates[1], is_feasible=False)
    entry = replace(first, candidates=(first.candidates[0], missed))
    _, opening, *tables = candidates_section(
        replace(history, cells=(replace(history.cells[0], entry=entry), history.cells[1]))
    )
    assert "(`mse`)" in opening
    assert tables[0] == (
        "**S = 0–20**\n\n| proposal | tuning | fresh | verdict |\n| --: | --: | --: | :-- |\n"
        "| 3 | 0.004471 | 0.004694 | chosen |\n| 4 | 0.004473 | 0.004697 | misses a floor |"
    )
    assert tables[1].startswith("**S = 21–40**")
    assert tables[1].count("chosen") == 1


def test_a_study_that_is_not_judged_has_no_candidates() -> None:
    assert candidates_section(study_history(is_judged=False)) == []


def _deployed(table: TunedTable) -> str:
    return "\n".join(deployment_section(table))


def test_the_winner_is_named_for_each_count() -> None:
    shown = _deployed(random_table())
    assert "| S | tuned NeRCC | BACC | replication | deploy |" in shown
    for count in ("0–20", "21–40", "41–80", "81–120"):
        assert f"\n| {count} | " in shown
    assert shown.count("| replication |\n") >= 4


def test_a_doubt_is_told() -> None:
    entry = tuned_table().entries[0]
    rivals = {"bacc": heldout(0.2), "replication": heldout(0.2)}
    unsure = {**entry.prob_mse_minus, "bacc": Interval(mean=-0.1, low=-0.2, high=0.1)}
    table = table_with(heldout=heldout(0.1), baselines={**entry.baselines, **rivals}, prob_mse_minus=unsure)
    assert f"| probably {CODE_NAMES[TUNED]} |" in _deployed(table)


@pytest.mark.parametrize(
    ("minus", "verdict"),
    [
        (Interval(mean=-0.1, low=-0.2, high=-0.05), "is better than"),
        (Interval(mean=-0.1, low=-0.2, high=0.05), "is not surely better than"),
        (Interval(mean=0.1, low=0.05, high=0.2), "is worse than"),
    ],
)
def test_the_policy_stands_beside_the_best_single_pair(minus: Interval, verdict: str) -> None:
    table = tuned_table()
    shown = _deployed(replace(table, policy=replace(table.policy, minus_single=minus)))
    assert f"{verdict} the best single pair (λ_enc 6e-07, λ_dec 2e-08): expected error 0.0864 [0.0777, 0.0968]" in shown
    assert "misses a floor" not in shown


def test_floors_that_are_missed_are_told() -> None:
    table = table_with(is_feasible=False)
    shown = _deployed(replace(table, policy=replace(table.policy, is_feasible=False)))
    assert "No candidate keeps the floors at S = 20; the nearest was chosen." in shown
    assert "The policy misses a floor in at least one cell." in shown


def test_a_single_pair_that_distrusts_says_how() -> None:
    table = TunedTable.from_history(with_wrong_answers(study_history(stragglers=(20,))))
    assert "(λ_enc 6e-07, λ_dec 2e-08, residuals beyond 4.2)" in deployment_section(table)[-1]

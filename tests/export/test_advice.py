from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.export.advice import TUNED, Advice, advise
from nercc_tune.records import Heldout, Interval, TunedEntry
from tests.builders import heldout, tuned_table
from tests.variants import random_table, table_with

_BETTER, _WORSE = Interval(mean=-0.1, low=-0.2, high=-0.05), Interval(mean=0.1, low=0.05, high=0.2)
_UNSURE = Interval(mean=0.0, low=-0.1, high=0.1)


def _judged(mean: float, *, low: float | None = None, high: float | None = None) -> Heldout:
    bounds = Interval(mean=mean, low=mean if low is None else low, high=mean if high is None else high)
    return replace(heldout(1.0), prob_mse=bounds)


def _advice(tuned: Heldout, *, minus: dict[str, Interval], **rivals: Heldout) -> Advice:
    entry: TunedEntry = tuned_table().entries[0]
    baselines, differences = {**entry.baselines, **rivals}, {**entry.prob_mse_minus, **minus}
    (advice,) = advise(table_with(heldout=tuned, baselines=baselines, prob_mse_minus=differences))
    return advice


@pytest.mark.parametrize(
    ("figures", "best"),
    [((0.1, 0.2, 0.3), TUNED), ((0.2, 0.1, 0.3), "bacc"), ((0.3, 0.2, 0.1), "replication")],
)
def test_the_least_mse_in_probabilities_wins(figures: tuple[float, float, float], best: str) -> None:
    tuned, bacc, replication = map(_judged, figures)
    minus = {"bacc": _UNSURE, "replication": _UNSURE}
    assert _advice(tuned, minus=minus, bacc=bacc, replication=replication).best == best


def test_other_baselines_and_the_mse_in_logits_have_no_say() -> None:
    entry = tuned_table().entries[0]
    tuned = replace(_judged(0.2), mse=Interval(mean=9.0, low=9.0, high=9.0))
    rivals = {"bacc": _judged(0.3), "replication": _judged(0.4), "nercc_ag": _judged(0.1), "uncoded": _judged(0.1)}
    assert set(rivals) == set(entry.baselines)
    advice = _advice(tuned, minus={"bacc": _BETTER, "replication": _BETTER}, **rivals)
    assert (advice.best, advice.is_certain) == (TUNED, True)
    assert set(advice.heldout) == {TUNED, "bacc", "replication"}


@pytest.mark.parametrize(
    ("minus", "is_certain"),
    [
        ({"bacc": _BETTER, "replication": _BETTER}, True),
        ({"bacc": _UNSURE, "replication": _BETTER}, False),
        ({"bacc": _BETTER, "replication": _UNSURE}, False),
        ({"bacc": _BETTER, "replication": Interval(mean=-0.1, low=-0.2, high=0.0)}, False),
    ],
)
def test_the_tuned_code_wins_surely_where_both_differences_are_below_zero(
    minus: dict[str, Interval], is_certain: bool
) -> None:
    advice = _advice(_judged(0.1), minus=minus, bacc=_judged(0.2), replication=_judged(0.3))
    assert (advice.best, advice.is_certain) == (TUNED, is_certain)


@pytest.mark.parametrize(
    ("minus", "high", "is_certain"),
    [(_WORSE, 0.12, True), (_WORSE, 0.2, False), (_UNSURE, 0.12, False)],
)
def test_a_baseline_wins_surely_where_it_is_apart_from_both_others(
    minus: Interval, high: float, is_certain: bool
) -> None:
    replication, bacc = _judged(0.1, low=0.08, high=high), _judged(0.2, low=0.15, high=0.3)
    advice = _advice(_judged(0.18), minus={"bacc": _UNSURE, "replication": minus}, bacc=bacc, replication=replication)
    assert (advice.best, advice.is_certain) == ("replication", is_certain)


def test_there_is_an_advice_for_each_entry_with_its_range() -> None:
    table = random_table()
    advices = advise(table)
    assert [(item.fewest, item.stragglers) for item in advices] == [(0, 20), (21, 40), (41, 80), (81, 120)]
    for advice, entry in zip(advices, table.entries, strict=True):
        assert advice.heldout[TUNED] == entry.heldout
        assert advice.minus == {name: entry.prob_mse_minus[name] for name in ("bacc", "replication")}


def test_where_the_count_is_random_the_policy_is_advised_on_first() -> None:
    """Nobody knows S before the queries are sent, so that no code can be picked by it."""
    table = random_table()
    expected = {name: _judged(mean) for name, mean in (("bacc", 0.2), ("replication", 0.05))}
    minus = {"bacc": _BETTER, "replication": _WORSE}
    policy = replace(table.policy, heldout=_judged(0.1), baselines=expected, prob_mse_minus=minus)
    first, *rest = advise(replace(table, policy=policy))
    assert (first.count, first.best, first.is_certain) == ("all (policy)", "replication", True)
    assert (first.fewest, first.stragglers) == (table.entries[0].fewest, table.entries[-1].stragglers)
    assert first.heldout[TUNED] == policy.heldout
    assert tuple(rest) == advise(table)
    assert rest[0].count == f"{table.entries[0].fewest}–{table.entries[0].stragglers}"

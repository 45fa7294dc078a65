"""How many workers a floor on agreement takes, and of which code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from nercc_tune.export.redundancy import POLICY, TUNED, JudgedAt, Level
from nercc_tune.records import DEFAULT_PREDICTION, Heldout, to_json

__all__ = ["Choice", "Need", "Verdict", "describe_need", "find_need"]

Verdict = Literal["holds", "holds on average", "does not hold"]
_VERDICTS: tuple[Verdict, ...] = ("holds", "holds on average", "does not hold")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The code to take at one number of workers.

    Attributes:
        code: `tuned`, `policy`, or the name of a baseline.
        verdict: Whether the lower bound of its agreement keeps the floor, or its mean alone, or neither.
    """

    judged: JudgedAt
    code: str
    verdict: Verdict

    @property
    def heldout(self) -> Heldout:
        """What it is worth."""
        return self.judged.codes[self.code]


@dataclass(frozen=True, kw_only=True)
class Need:
    """The fewest workers with which some code keeps a floor on agreement.

    Attributes:
        choices: The best code at each number of workers, ascending.
        best: Of the fewest workers that hold; where none do, of the fewest whose mean does; else the nearest.
    """

    floor: float
    level: Level
    choices: tuple[Choice, ...]
    best: Choice


def find_need(level: Level, floor: float) -> Need:
    """Find the code with the fewest workers whose held-out agreement keeps a floor by its lower 95 % bound.

    Of codes with equally many workers that keep it equally well the one with the least MSE in probabilities is taken,
    and of those that do not keep it the one with the greatest agreement.
    """
    choices = tuple(min(_choices(judged, floor), key=_rank) for judged in level.judged)
    best = min(choices, key=lambda choice: _nearness(choice) if choice.verdict == _VERDICTS[-1] else _thrift(choice))
    return Need(floor=floor, level=level, choices=choices, best=best)


def describe_need(need: Need) -> dict[str, Any]:
    """Return a need as JSON values.

    It has `stragglers` (for a reader), the `floor`, the `best` choice, the `choices` at all numbers of workers, and
    `absent`, the numbers of workers that were not judged with so many stragglers. A choice has `verdict`, `study`,
    `workers`, `queries`, `redundancy` (N / K), `stragglers` (those that it was judged with), `code`, `design` (of the
    tuned code, else null), `agreement` and `prob_mse`.
    """
    return {
        "stragglers": need.level.title,
        "floor": need.floor,
        "best": _describe(need.best),
        "choices": list(map(_describe, need.choices)),
        "absent": list(need.level.absent),
    }


def _choices(judged: JudgedAt, floor: float) -> list[Choice]:
    """Return what can be taken, which the default prediction cannot: it gives up what the others repair."""
    codes = {code: worth for code, worth in judged.codes.items() if code != DEFAULT_PREDICTION}
    return [Choice(judged=judged, code=code, verdict=_judge(worth, floor)) for code, worth in codes.items()]


def _judge(worth: Heldout, floor: float) -> Verdict:
    if worth.agreement.low >= floor:
        return "holds"
    return "holds on average" if worth.agreement.mean >= floor else "does not hold"


def _rank(choice: Choice) -> tuple[float, ...]:
    worth, verdict = choice.heldout, _VERDICTS.index(choice.verdict)
    nearness = -worth.agreement.mean if choice.verdict == _VERDICTS[-1] else 0.0
    return verdict, nearness, worth.prob_mse.mean


def _thrift(choice: Choice) -> tuple[float, ...]:
    return _VERDICTS.index(choice.verdict), choice.judged.workers


def _nearness(choice: Choice) -> tuple[float, ...]:
    return _VERDICTS.index(choice.verdict), -choice.heldout.agreement.mean, choice.judged.workers


def _describe(choice: Choice) -> dict[str, Any]:
    judged = choice.judged
    return {
        "verdict": choice.verdict,
        "study": judged.study,
        "workers": judged.workers,
        "queries": judged.queries,
        "redundancy": judged.redundancy,
        "stragglers": judged.count,
        "code": choice.code,
        "design": judged.label if choice.code in (TUNED, POLICY) else None,
        "agreement": to_json(choice.heldout.agreement),
        "prob_mse": to_json(choice.heldout.prob_mse),
    }

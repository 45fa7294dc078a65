"""The choice on the tuning draws: candidates for each cell, and for one policy that serves all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nercc_tune.records import CellHistory, Design, Goal, Option, Parameter, Score, TrialRecord

Rank = tuple[float, float, float]
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A code that may be chosen for a cell.

    Attributes:
        proposal: Of the trial that found it; None for replication, which no trial has to find.
        tuning: Its score on the tuning draws.
    """

    proposal: int | None
    design: Design
    lambda_enc: float
    parameter: Parameter
    tuning: Score

    @classmethod
    def of(cls, trial: TrialRecord) -> Choice:
        """Return the code of a completed trial.

        Raises:
            ValueError: If the trial has no score.
        """
        if trial.score is None:
            raise ValueError(f"`trial` must be complete, but got {trial.uid}.")
        return cls(
            proposal=trial.proposal,
            design=trial.design,
            lambda_enc=trial.lambda_enc,
            parameter=trial.parameter,
            tuning=trial.score,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyCandidate:
    """One encoder and one reading of the answers, with the λ_dec or kernel of each straggler count.

    Attributes:
        expected: The goal's rank expected over the cells on the tuning draws; the least is the best.
        profile: The expected error at each λ_dec of the grid, the same for all cells; empty for kernels.
    """

    design: Design
    lambda_enc: float
    parameters: Mapping[int, Parameter]
    expected: Rank
    profile: tuple[float, ...] = ()

    @property
    def error(self) -> float:
        """The expected error of about the best single pair: that of the grid, and for kernels that of each count's."""
        return min(self.profile, default=self.expected[-1])


def best_trials(cell: CellHistory, *, most: int) -> tuple[TrialRecord, ...]:
    """Return a cell's best trials, best first: one of each design, and where these are fewer, the next best."""
    found: dict[tuple[Design, float, Parameter], TrialRecord] = {}
    for trial in cell.ranked:
        found.setdefault((trial.design, trial.lambda_enc, trial.parameter), trial)
    return one_of_each(tuple(found.values()), lambda trial: trial.design, most=most)


def one_of_each(ranked: Sequence[Item], kind: Callable[[Item], object], *, most: int) -> tuple[Item, ...]:
    """Return some of the best, best first: the best of each kind, and where kinds are fewer, the next best of any.

    Where one kind is best on the draws that it was found on, all of the best may be of that kind, and nearly the same:
    fresh draws would have nothing to choose from.
    """
    first = {kind(item): at for at, item in reversed(list(enumerate(ranked)))}
    leaders = sorted(first.values())
    rest = [at for at in range(len(ranked)) if at not in leaders]
    return tuple(ranked[at] for at in sorted([*leaders, *rest][:most]))


def policy_candidates(
    cells: Sequence[CellHistory], options: Mapping[int, Sequence[tuple[TrialRecord, Option]]]
) -> tuple[PolicyCandidate, ...]:
    """Return all encoders with a reading that every cell has, best expected rank first; of equals the smaller λ_enc.

    Args:
        cells: The cells with their probabilities and their goal.
        options: By straggler count: the trials with their readings, each with what is best there.

    Raises:
        ValueError: If no encoder was evaluated in every cell.
    """
    best = {cell.cell.stragglers: _best_of(options[cell.cell.stragglers], cell.goal) for cell in cells}
    common = set.intersection(*(set(found) for found in best.values()))
    if not common:
        raise ValueError("`options` must hold at least one encoder for every cell, but got none.")
    candidates = []
    for design, lambda_enc in common:
        chosen = {count: found[design, lambda_enc] for count, found in best.items()}
        weighted = [(cell.cell.weight, chosen[cell.cell.stragglers]) for cell in cells]
        candidates.append(
            PolicyCandidate(
                design=design,
                lambda_enc=lambda_enc,
                parameters={count: option.parameter for count, option in chosen.items()},
                expected=expected_rank(cells[0].goal, [(weight, option.score) for weight, option in weighted]),
                profile=tuple(_weighted_sum([(weight, option.profile) for weight, option in weighted])),
            )
        )
    return tuple(sorted(candidates, key=lambda item: (item.expected, item.lambda_enc, item.design.label)))


def expected_rank(goal: Goal, scores: Sequence[tuple[float, Score]]) -> Rank:
    """Return the rank of a goal, expected over cells with their weights."""
    ranks = [(weight, goal.rank(score)) for weight, score in scores]
    shortfall, value, error = _weighted_sum(ranks)
    return shortfall, value, error


def non_dominated(trials: Sequence[TrialRecord], goal: Goal) -> tuple[TrialRecord, ...]:
    """Return the trials that no other beats in both error and RelAcc, ascending in error."""
    front: list[TrialRecord] = []
    best = -1.0
    scored = [(goal.error_of(trial.score), -(trial.score.rel_acc or 0.0), trial) for trial in trials if trial.score]
    for _, negative, trial in sorted(scored, key=lambda item: (*item[:2], item[2].number)):
        if -negative > best:
            best = -negative
            front.append(trial)
    return tuple(front)


def _best_of(options: Sequence[tuple[TrialRecord, Option]], goal: Goal) -> dict[tuple[Design, float], Option]:
    found: dict[tuple[Design, float], Option] = {}
    for trial, option in options:
        design = trial.design.with_reading(option.reading)
        key = (design, trial.lambda_enc)
        if key not in found or goal.rank(option.score) < goal.rank(found[key].score):
            found[key] = option
    return found


def _weighted_sum(rows: Sequence[tuple[float, Sequence[float]]]) -> Iterator[float]:
    columns = zip(*([weight * value for value in values] for weight, values in rows), strict=True)
    return (sum(column) for column in columns)

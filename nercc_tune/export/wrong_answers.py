"""The blocks of a table that say what came of wrong answers, and what distrust costs without any."""

from __future__ import annotations

import math

from nercc_tune.export.blocks import KIND, UNDEFINED, Block, write_count, write_error, write_percent
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Detection, Interval, WrongAnswers

__all__ = ["write_bare_percent", "write_ratio", "wrong_answer_blocks", "wrong_answers_of"]

_ERROR = "MSE in probabilities"
_TELLING = 1000  # the largest ratio whose digits are told
_FOUND_NOTE = (
    "Found and missed: of the wrong answers, over all groups and masks; falsely accused: of the right ones. The oracle "
    "is told which answers are wrong, and decodes without them."
)
_COST_NOTE = (
    "The same masks without a wrong answer. The cost is what distrust adds to the MSE, false alarms are answers that "
    "are distrusted, the bound is the most wrong answers in one mask that the search reckoned with."
)


def wrong_answers_of(table: TunedTable) -> dict[str, WrongAnswers]:
    """Return what each code of a table does about wrong answers, by its straggler count or the range of them."""
    return {write_count(entry): entry.wrong_answers for entry in table.entries if entry.wrong_answers is not None}


def wrong_answer_blocks(table: TunedTable) -> tuple[Block, ...]:
    """Return a block with a row each count and kind, and one with a row each count; none where no study has any."""
    found = wrong_answers_of(table)
    if not found:
        return ()
    head = ("wrong", "found, %", "missed, %", "falsely accused, %", _ERROR, f"{_ERROR} of the oracle", "ratio")
    kinds = Block(
        title="Wrong answers",
        head=("S", KIND, *head),
        rows=tuple((count, *_detected(item)) for count, wrong in found.items() for item in wrong.detections),
        note=_FOUND_NOTE,
    )
    cost = Block(
        title="Where no answer is wrong",
        head=("S", _ERROR, f"{_ERROR} without distrust", "cost of distrust, %", "false alarms, %", "bound"),
        rows=tuple((count, *_without_errors(wrong)) for count, wrong in found.items()),
        note=_COST_NOTE,
    )
    return kinds, cost


def write_bare_percent(share: float) -> str:
    """Write a share that has no interval in percent, with three digits."""
    return UNDEFINED if math.isnan(share) else f"{100 * share:.3g}"


def write_ratio(ratio: Interval | None) -> str:
    """Write `1.05 [1.00, 1.16]`; beyond 1000 the oracle makes next to no error, and digits would say nothing."""
    if ratio is None:
        return UNDEFINED
    ends = (ratio.mean, ratio.low, ratio.high)
    mean, low, high = (f"{each:.2f}" if each <= _TELLING else f">{_TELLING}" for each in ends)
    return f"{mean} [{low}, {high}]"


def _detected(detection: Detection) -> tuple[str, ...]:
    shares = (detection.found_share, 1 - detection.found_share, detection.accused_share)
    errors = (detection.prob_mse, detection.oracle)
    return (
        detection.kind,
        str(detection.wrong),
        *map(write_bare_percent, shares),
        *map(write_error, errors),
        write_ratio(detection.ratio),
    )


def _without_errors(wrong: WrongAnswers) -> tuple[str, ...]:
    return (
        write_error(wrong.none_wrong),
        write_error(wrong.none_wrong_trusting),
        write_percent(wrong.cost),
        write_bare_percent(wrong.false_alarms),
        str(wrong.bound),
    )

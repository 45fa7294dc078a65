"""Wrong answers: their kinds, what a decoder does about them, and what that is worth."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from nercc_tune.records.intervals import Interval
from nercc_tune.records.strict_json import Strict

__all__ = [
    "DEFAULT_DISTRUSTS",
    "DISTRUSTS",
    "ERROR_KINDS",
    "LOCATORS",
    "Detection",
    "Distrust",
    "DistrustKind",
    "ErrorKind",
    "WrongAnswers",
]

ERROR_KINDS: dict[str, float | None] = {
    "sign-flip": None,
    "normal": 1.0,
    "other-query": None,
    "stale": 0.1,
    "constant": 0.0,
    "nan": None,
    "infinity": None,
}
"""Kinds of wrong answers, each with the value of its number where `normal-10` and the like may name another."""

_NAMED = re.compile(r"([a-z]+(?:-[a-z]+)*?)(?:-([0-9]+(?:\.[0-9]+)?))?")


@dataclass(frozen=True, kw_only=True)
class ErrorKind(Strict):
    """One way to be wrong.

    `sign-flip` answers −y; `normal-σ` adds N(0, σ²) to every output; `other-query` answers what the same worker would
    have for another group; `stale-σ` runs a model whose weights are off by σ of the standard deviation of each tensor;
    `constant-v` answers v everywhere; `nan` and `infinity` answer no numbers.

    Attributes:
        name: One of `ERROR_KINDS`.
        number: σ or v; None for kinds that have none.
    """

    name: str
    number: float | None

    @classmethod
    def of(cls, kind: str) -> ErrorKind:
        """Read a kind as study files write it, for example `normal-10`.

        Raises:
            ValueError: If there is no such kind, it takes no number, or its number is too large for a float.
        """
        named = _NAMED.fullmatch(kind)
        name = named[1] if named else ""
        if named is None or name not in ERROR_KINDS or (named[2] is not None and ERROR_KINDS[name] is None):
            known = ", ".join(f"{name}-<number>" if at is not None else name for name, at in ERROR_KINDS.items())
            raise ValueError(f"a kind of wrong answers must be one of {known}, but got {kind!r}.")
        number = ERROR_KINDS[name] if named[2] is None else float(named[2])
        if number == math.inf:
            raise ValueError(f"the number of a kind of wrong answers must be finite, but got {kind!r}.")
        return cls(name=name, number=number)

    @property
    def label(self) -> str:
        """The kind as study files write it."""
        if self.number is None:
            return self.name
        digits = format(Decimal(repr(self.number)), "f")
        return f"{self.name}-{digits.removesuffix('.0')}"


DistrustKind = Literal["residuals", "huber", "tukey", "copies", "median", "polynomial", "rational"]
DISTRUSTS: tuple[DistrustKind, ...] = ("residuals", "huber", "tukey", "copies", "median", "polynomial", "rational")
"""Leave-one-out residuals; the same re-weighted, two ways; copies of one coded query that more of the others
contradict; the median of sub-samples; ApproxIFER's locators."""

DEFAULT_DISTRUSTS: tuple[DistrustKind, ...] = ("residuals", "copies")
"""What is tried where a study names none."""

LOCATORS: tuple[DistrustKind, ...] = ("polynomial", "rational")
"""Those that are told how many answers are wrong."""


@dataclass(frozen=True, kw_only=True)
class Distrust(Strict):
    """How a decoder finds out which answers to distrust.

    Attributes:
        kind: By what.
        level: Of `residuals`, `huber` and `tukey` how many times the expected deviation of an answer from what all
            others say of it is too much; of `copies` how many times the expected distance of two copies is; of
            `median` how many sub-samples there are; of locators how many answers are wrong.
        scale: What is expected: the mean square of the deviations of right answers on the tuning groups, in units of
            the decoder's own variance; of `copies` that of their distances.
        most: For how many wrong answers it was tuned: no more are screened, and residuals distrust no more besides.
        typical: The largest squared distance from what answers look like of one that is believed, whatever the others
            say; None where that is not looked at.

    Raises:
        ValueError: If the level or the scale is not positive, or the level not whole where it is a number of things.
    """

    kind: DistrustKind
    level: float
    most: int
    scale: float = 1.0
    typical: Annotated[float | None, Field(exclude_if=lambda value: value is None)] = None

    def __post_init__(self) -> None:
        if self.kind not in DISTRUSTS:
            raise ValueError(f"`kind` must be one of {', '.join(DISTRUSTS)}, but got {self.kind!r}.")
        if not 0 < self.level < math.inf:
            raise ValueError(f"`level` must be positive and finite, but got {self.level}.")
        if self.is_counted and not float(self.level).is_integer():
            raise ValueError(f"`level` of {self.kind!r} must be whole, but got {self.level}.")
        if not 0 < self.scale < math.inf:
            raise ValueError(f"`scale` must be positive and finite, but got {self.scale}.")
        if self.typical is not None and not 0 < self.typical < math.inf:
            raise ValueError(f"`typical` must be positive and finite, but got {self.typical}.")
        if not self.most >= 0:
            raise ValueError(f"`most` must be at least 0, but got {self.most}.")

    @property
    def limit(self) -> float:
        """The largest squared deviation or distance that is believed, in the unit of `scale`."""
        return self.scale * self.level**2

    @property
    def is_counted(self) -> bool:
        """Whether the level is a number of sub-samples or answers."""
        return self.kind == "median" or self.kind in LOCATORS

    @property
    def is_of_deviations(self) -> bool:
        """Whether the level is one of deviations from what a decoder expects of its answers."""
        return self.kind in ("residuals", "huber", "tukey")

    @property
    def label(self) -> str:
        """The kind with its level, and what is no typical answer: `residuals beyond 4.2, atypical beyond 5`."""
        joined = {"median": "of", "polynomial": "for", "rational": "for"}.get(self.kind, "beyond")
        screened = "" if self.typical is None else f", atypical beyond {math.sqrt(self.typical):.3g}"
        return f"{self.kind} {joined} {self.level:.3g}{screened}"


@dataclass(frozen=True, kw_only=True)
class Detection(Strict):
    """What came of the wrong answers of one kind, on held-out draws.

    Attributes:
        kind: As study files write it.
        wrong: How many answers were wrong, over all groups and masks.
        found: How many of these were distrusted.
        right: How many answers were right.
        accused: How many of these were distrusted.
        prob_mse: Of the estimates, over the masks with this kind.
        oracle: The same where somebody says which answers are wrong, and these count as not arrived.
        ratio: Of the two, both resampled; None where the oracle makes no error.
    """

    kind: str
    wrong: int
    found: int
    right: int
    accused: int
    prob_mse: Interval
    oracle: Interval
    ratio: Interval | None

    @property
    def found_share(self) -> float:
        """Share of the wrong answers that were found."""
        return self.found / self.wrong if self.wrong else math.nan

    @property
    def accused_share(self) -> float:
        """Share of the right answers that were accused."""
        return self.accused / self.right if self.right else math.nan

    def figures(self) -> dict[str, float | Interval | None]:
        """Return what is told of it by name, the kind last; what is not defined is None."""
        figures: dict[str, float | Interval | None] = {
            "wrong_answers": self.wrong,
            "right_answers": self.right,
            "wrong_found": self.found_share if self.wrong else None,
            "wrong_accused": self.accused_share if self.right else None,
            "wrong_prob_mse": self.prob_mse,
            "wrong_oracle_prob_mse": self.oracle,
            "wrong_ratio": self.ratio,
        }
        return {f"{name}_{self.kind}": figure for name, figure in figures.items()}


@dataclass(frozen=True, kw_only=True)
class WrongAnswers(Strict):
    """What a code does about wrong answers on held-out draws.

    Attributes:
        bound: The largest number of wrong answers that the search reckoned with in one mask.
        detections: For each kind.
        none_wrong: MSE in probabilities where no answer is wrong, with the same masks.
        none_wrong_trusting: The same without any distrust.
        cost: Their ratio minus 1, both resampled: what distrust costs where it is not needed; None where trusting
            makes no error.
        false_alarms: Share of answers that are distrusted where none is wrong.
    """

    bound: int
    detections: tuple[Detection, ...]
    none_wrong: Interval
    none_wrong_trusting: Interval
    cost: Interval | None
    false_alarms: float

    def figures(self) -> dict[str, float | Interval | None]:
        """Return what is told of it by name: of distrust where nothing is wrong, then of each kind."""
        figures: dict[str, float | Interval | None] = {
            "wrong_bound": self.bound,
            "none_wrong_prob_mse": self.none_wrong,
            "none_wrong_trusting_prob_mse": self.none_wrong_trusting,
            "distrust_cost": self.cost,
            "false_alarms": self.false_alarms,
        }
        for detection in self.detections:
            figures |= detection.figures()
        return figures

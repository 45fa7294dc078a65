"""Which code of a setting to deploy up to which share of late workers."""

from __future__ import annotations

from dataclasses import dataclass

from nercc_tune.export.comparison import ComparedCode, Setting
from nercc_tune.records import LATE_SHARES, Availability

__all__ = ["Stretch", "find_stretches", "note_of_draws", "sentence_of"]

_STEPS_PER_UNIT = 1000  # tenths of a percent
_DUST = 1e-9  # of an accuracy; codes that are equal are not to take turns by rounding


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Shares of late workers on which one code has the greatest overall accuracy.

    Attributes:
        upto: The last of them, in steps of a tenth of a percent; the first follows on the stretch before.
        best: By the means; where A_o is only bounded, by the least that it can be.
        ties: Codes that it is nowhere surely better than: their interval overlaps with its own at every f of
            `LATE_SHARES` on the stretch, or at the nearest one to its middle.
    """

    upto: float
    best: ComparedCode
    ties: tuple[ComparedCode, ...]


def find_stretches(setting: Setting) -> tuple[Stretch, ...]:
    """Return the stretches from the first tenth of a percent to the largest of `LATE_SHARES`.

    They are empty where no accuracy on degraded queries is known.
    """
    if not setting.has_accuracies:
        return ()
    measured = [(code, code.availability) for code in setting.codes if code.availability is not None]
    leader, start, upto = None, 0.0, 0.0
    found: list[Stretch] = []
    for step in range(1, round(LATE_SHARES[-1] * _STEPS_PER_UNIT) + 1):
        late = step / _STEPS_PER_UNIT
        rival = max(measured, key=lambda pair: _least(pair[1], late))
        if leader is None or _least(rival[1], late) > _least(leader[1], late) + _DUST:
            found += [_stretch(setting, leader[0], (start, upto))] if leader else []
            leader, start = rival, upto
        upto = late
    return (*found, _stretch(setting, leader[0], (start, upto))) if leader else ()


def sentence_of(setting: Setting) -> str:
    """Return what to deploy, in a sentence."""
    stretches = find_stretches(setting)
    if not stretches:
        return f"{setting.title}: no accuracy on degraded queries is known."
    words = [_write(setting, stretch) for stretch in stretches]
    if len(words) == 1:
        return f"{setting.title}: deploy {words[0]}, up to f = {_percent(stretches[0].upto)}."
    first, *middle, last = words
    parts = [f"up to f = {_percent(stretches[0].upto)} deploy {first}"]
    parts += [f"up to {_percent(each.upto)} {word}" for each, word in zip(stretches[1:-1], middle, strict=True)]
    return f"{setting.title}: {', '.join(parts)}, above that {last}."


def note_of_draws(setting: Setting) -> str:
    """Return which studies were judged on draws of their own, in a sentence; nothing where none was."""
    if not setting.other_draws:
        return ""
    judged = "was judged" if len(setting.other_draws) == 1 else "were judged"
    return (
        f"{setting.title}: {', '.join(setting.other_draws)} {judged} on other groups or masks than {setting.first}, as "
        "far as tables can tell; small differences may be those of the draws."
    )


def _stretch(setting: Setting, best: ComparedCode, ends: tuple[float, float]) -> Stretch:
    start, upto = ends
    within = [late for late in LATE_SHARES if start < late <= upto]
    nearest = min(LATE_SHARES, key=lambda late: abs(late - (start + upto) / 2))
    tied = [setting.ties(best, late) for late in within or [nearest]]
    return Stretch(upto=upto, best=best, ties=tuple(code for code in tied[0] if all(code in each for each in tied)))


def _least(availability: Availability, late: float) -> float:
    """Return A_o(f), or the least that it can be."""
    overall = availability.overall_accuracy(late)
    return (1 - availability.exposure(late)) * availability.available.mean if overall is None else overall


def _write(setting: Setting, stretch: Stretch) -> str:
    names = [code.name for code in stretch.ties]
    if len(names) > 1 and len(names) == len(setting.codes) - 1:
        names = ["all others"]
    return f"{stretch.best.name} (ties with {', '.join(names)})" if names else stretch.best.name


def _percent(late: float) -> str:
    return f"{100 * late:.3g} %"

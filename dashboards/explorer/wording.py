"""How numbers and states are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nercc_tune.records import Distrusting, Interval, Kernel, Measure, Parameter
from nercc_tune.terminal import show_parameter, show_smoothing
from nercc_tune.tuning import SeenStudy

MEASURE_NAMES: dict[Measure, str] = {
    "mse": "MSE (decode space)",
    "prob_mse": "MSE (probabilities)",
    "rel_acc": "RelAcc",
    "agreement": "agreement",
}


_WHOLE_FROM = 1000.0
_ROUNDING = 1e-12
"""Squared errors below it are those of copies in float32."""


def write_smoothing(value: float) -> str:
    """Return a λ with three digits, 0 as 0."""
    return _unbroken(show_smoothing(value))


def write_pair(lambda_enc: float, parameter: Parameter) -> str:
    """Return (λ_enc, λ_dec), or λ_enc and the kernel."""
    return _unbroken(f"({write_smoothing(lambda_enc)}, {show_parameter(parameter)})")


def write_parameter(parameter: Parameter) -> str:
    """Return what a decoder is set to, by name."""
    if isinstance(parameter, Distrusting):
        return f"{write_parameter(parameter.trusting)}, {parameter.distrust.label}"
    return f"the kernel {parameter.label}" if isinstance(parameter, Kernel) else f"λ_dec = {write_smoothing(parameter)}"


def write_interval(interval: Interval | None) -> str:
    """Return a mean with its 95 % interval; an error that is nothing but rounding as 0."""
    if interval is None:
        return "–"
    if interval.low >= 0 and interval.high < _ROUNDING:
        return "0"
    return f"{_unbroken(f'{interval.mean:.3g}')} {_unbroken(f'[{interval.low:.3g}, {interval.high:.3g}]')}"


def write_number(value: float) -> str:
    """Return a number with three digits, or all before its point."""
    return f"{value:.0f}" if _WHOLE_FROM <= abs(value) < math.inf else f"{value:.3g}"


def write_figure(
    figure: Interval | float | None, *, unit: float = 1.0, write: Callable[[float], str] = write_number, after: str = ""
) -> str:
    """Return a figure in a unit, with its 95 % interval where it has one."""
    if figure is None:
        return "–"
    if not isinstance(figure, Interval):
        return _unbroken(f"{write(figure / unit)}{after}")
    ends = f"[{write(figure.low / unit)}, {write(figure.high / unit)}]"
    return f"{_unbroken(f'{write(figure.mean / unit)}{after}')} {_unbroken(ends)}"


def write_ms(seconds: float) -> str:
    """Return a time in milliseconds with three digits; one that never came as infinite."""
    return _unbroken(f"{write_number(1e3 * seconds)} ms") if seconds < math.inf else "∞"


def write_share(share: float) -> str:
    """Return a share in percent; of nothing a dash."""
    return "–" if math.isnan(share) else _unbroken(f"{100 * share:.3g} %")


def write_gain(gain: Interval | None) -> str:
    """Return the share of an error that is saved, as the change that it is."""
    return "–" if gain is None else f"{-gain.mean:+.1%} {_unbroken(f'[{-gain.high:+.1%}, {-gain.low:+.1%}]')}"


def write_state(seen: SeenStudy) -> str:
    """Return how far a study is."""
    if seen.is_launched:
        return "running"
    return "finished" if seen.history.is_judged else "stopped"


def _unbroken(text: str) -> str:
    """Return a text that no line ends within."""
    return text.replace("-", "\N{NON-BREAKING HYPHEN}").replace(" ", "\N{NO-BREAK SPACE}")


def to_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is words, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join([":--", *["--:"] * (len(head) - 1)]) + " |"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)

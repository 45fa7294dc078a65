"""Numbers as the terminal shows them."""

from __future__ import annotations

from nercc_tune.records import Distrusting, Interval, Kernel, Parameter

__all__ = ["show_change", "show_interval", "show_parameter", "show_smoothing"]


def show_smoothing(value: float) -> str:
    """Return a smoothing parameter with three digits, 0 as 0.

    Example:
        >>> show_smoothing(0.0), show_smoothing(3.162e-7)
        ('0', '3.16e-07')
    """
    return "0" if value == 0 else f"{value:.2e}"


def show_parameter(parameter: Parameter) -> str:
    """Return what a decoder is set to: λ_dec, or the kernel in symbols; and its distrust.

    Example:
        >>> show_parameter(0.0), show_parameter(Kernel(range=2.0, nugget=0.01))
        ('0', 'ν 1.5, ℓ 2, nugget 0.01')
    """
    if isinstance(parameter, Distrusting):
        return f"{show_parameter(parameter.trusting)}; {parameter.distrust.label}"
    return parameter.label if isinstance(parameter, Kernel) else show_smoothing(parameter)


def show_interval(interval: Interval) -> str:
    """Return a mean with its interval, three digits each."""
    return f"{interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}]"


def show_change(gain: Interval | None) -> str:
    """Return a gain as the change of the error that it is."""
    if gain is None:
        return "–"
    return f"{-gain.mean:+.1%} [{-gain.high:+.1%}, {-gain.low:+.1%}]"

"""What a choice is worth, as the metrics of a cell's run."""

from __future__ import annotations

from nercc_tune.records import Heldout, Interval, Policy, TunedEntry

__all__ = ["entry_metrics", "policy_metrics"]


def entry_metrics(entry: TunedEntry) -> dict[str, float]:
    """Return the figures of a chosen code: its parameters, what it does held out, and what of wrong answers it finds.

    A figure with an interval has three names, for example `heldout_mse`, `heldout_mse_low` and `heldout_mse_high`; the
    kind of wrong answers comes before these ends, `wrong_ratio_normal-10_low`. What is not defined has none.
    """
    metrics = {
        "tuned_lambda_enc": entry.lambda_enc,
        "tuned_lambda_dec": entry.lambda_dec,
        "df_enc": entry.df_enc,
        "df_dec": entry.df_dec,
        "trials": float(entry.trials),
        "forwards": float(entry.forwards),
        **{f"tuned_{figure}": value for figure, value in entry.tuning.metrics().items()},
        **_heldout_metrics("heldout", entry.heldout),
    }
    for name, heldout in entry.baselines.items():
        metrics |= _heldout_metrics(f"heldout_{name}", heldout)
    for error, differences in (("mse", entry.mse_minus), ("prob_mse", entry.prob_mse_minus)):
        for name, difference in differences.items():
            metrics |= _interval_metrics(f"{error}_minus_{name}", difference)
    for name, figure in entry.wrong_answers.figures().items() if entry.wrong_answers else ():
        metrics |= _interval_metrics(name, figure) if isinstance(figure, Interval) else _defined(name, figure)
    if entry.distrust is not None:
        metrics["tuned_distrust_level"] = entry.distrust.level
    return metrics if entry.waiting is None else metrics | {"waiting": entry.waiting}


def policy_metrics(policy: Policy, stragglers: int) -> dict[str, float]:
    """Return the figures of a policy at a straggler count; none where it has no entry for it."""
    for entry in policy.entries:
        if entry.stragglers == stragglers:
            return {
                "policy_lambda_enc": policy.lambda_enc,
                "policy_lambda_dec": entry.lambda_dec,
                **_heldout_metrics("policy_heldout", entry.heldout),
            }
    return {}


def _heldout_metrics(prefix: str, heldout: Heldout) -> dict[str, float]:
    metrics: dict[str, float] = {}
    figures = {name: value for name, value in vars(heldout).items() if name != "availability"}
    figures |= heldout.availability.figures() if heldout.availability else {}
    for figure, interval in figures.items():
        if interval is not None:
            metrics |= _interval_metrics(f"{prefix}_{figure}", interval)
    return metrics


def _interval_metrics(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _defined(name: str, figure: float | None) -> dict[str, float]:
    return {} if figure is None else {name: float(figure)}

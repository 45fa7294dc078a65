"""A plan as if it was made."""

from __future__ import annotations

from nercc_tune.records import Interval
from nercc_tune.service.plan_goals import TAILS, Conditions, Goals
from nercc_tune.service.plan_record import Offer, PlannedTable, ServicePlan, Tried, Worth
from nercc_tune.service.scheme import Hedge
from nercc_tune.service.scheme_settings import SchemeSettings
from nercc_tune.service.summary import TailSummary

__all__ = ["TABLE", "offer", "service_plan"]

TABLE = PlannedTable(study="tiny", digest="0" * 64, path="/tables/tiny.json")
_SETTINGS = {
    "plain": SchemeSettings(name="equal-resources", workers=22),
    "hedging": SchemeSettings(name="hedging", workers=15, hedge=Hedge(quantile=0.9, budget=0.1)),
    "coded tiny": SchemeSettings(name="coded", workers=12, answers=10, max_wait_s=0.02),
    "parity tiny": SchemeSettings(name="parity", workers=12, parity_workers=4, max_wait_s=0.02),
}


def _around(mean: float) -> Interval:
    return Interval(mean=mean, low=0.95 * mean, high=1.05 * mean)


def offer(kind: str, *, p99_s: float = 0.04, agreement: float = 1.0, missed: tuple[str, ...] = ()) -> Offer:
    settings = _SETTINGS[kind]
    share = Interval(mean=agreement, low=agreement, high=1.0)
    means = TailSummary(
        scheme=settings.name,
        rate=100.0,
        repeats=20,
        queries=90_000,
        **{f"{name}_s": _around(p99_s) for name in ("p50", "p95", "p99", "p999", "mean")},
        **dict.fromkeys(("goodput", "decoded", "copied", "refused", "worker_s", "burned"), share),
        accuracy=None,
        agreement=None,
    )
    worth = Worth(tails_s={name: _around(p99_s) for name in TAILS}, agreement=share, means=means)
    table = TABLE if settings.is_coded else None
    return Offer(kind=kind, settings=settings, table=table, workers=settings.workers or 1, worth=worth, missed=missed)


def service_plan(*offers: Offer) -> ServicePlan:
    """Return a plan with offers in order, and a trial of each that was simulated and one that was cut."""
    tried = [
        Tried(
            kind=each.kind,
            settings=each.settings,
            workers=each.workers + more,
            tails_s=dict.fromkeys(TAILS, each.worth.tails_s["p99"].mean / (1 + more)),
            agreement=each.worth.agreement.mean,
            worker_s=0.02,
            is_cut=is_cut,
        )
        for each in offers
        for more, is_cut in ((0, False), (1, False), (2, True))
    ]
    goals = Goals(p99_s=0.05, agreement=0.99)
    conditions = Conditions(rate=100.0, service_s=0.02, slowness="none", goals=goals)
    return ServicePlan(
        conditions=conditions, tables=(TABLE,), offers=offers, absent={}, tried=tuple(tried), seconds=1.0
    )

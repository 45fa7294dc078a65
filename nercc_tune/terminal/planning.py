"""What `plan` shows: the cheapest scheme of each kind, and in words which to take."""

from __future__ import annotations

from rich.table import Table

from nercc_tune.records import Interval
from nercc_tune.service.plan_record import Offer, ServicePlan
from nercc_tune.service.scheme_settings import SchemeSettings

__all__ = ["lines_of_plan", "say_settings", "table_of_plan"]

_TAILS = {"p50": "p50", "p99": "p99", "p999": "p99.9"}


def table_of_plan(plan: ServicePlan) -> Table:
    """Return the best of each kind, in order."""
    goals = plan.conditions.goals
    tails = list(dict.fromkeys(["p50", *goals.limits_s]))
    shown = Table(title="the cheapest of each kind, on draws that it was not chosen on", title_justify="left")
    for name in ("scheme", "workers", *(f"{_TAILS[tail]}, ms" for tail in tails), "agreement", "decoded", "worker-ms"):
        shown.add_column(name, justify="left" if name == "scheme" else "right")
    shown.add_column("goals")
    for offer in plan.offers:
        means = offer.worth.means
        shown.add_row(
            f"{offer.kind}: {say_settings(offer.settings)}",
            str(offer.workers),
            *(_show_ms(offer.worth.tails_s[tail]) for tail in tails),
            _show_share(offer.worth.agreement),
            f"{means.decoded.mean:.1%}",
            f"{1e3 * means.worker_s.mean:.1f}",
            "held" if offer.holds else f"not surely {', '.join(_TAILS.get(name, name) for name in offer.missed)}",
            style="bold" if offer is plan.chosen else None,
        )
    return shown


def lines_of_plan(plan: ServicePlan) -> list[str]:
    """Return in words what to take, what else would do, and what cannot."""
    chosen = plan.chosen
    lines = [_say_nothing_holds(plan) if chosen is None else f"take {_say(chosen, plan)}"]
    others = [offer for offer in plan.offers[1:] if offer.holds]
    if others:
        lines.append(f"next best: {_say(others[0], plan)}")
    rest = [f"{offer.kind} needs {offer.workers}" for offer in others[1:]]
    rest += [_say_missed(offer) for offer in plan.offers if not offer.holds and (chosen is not None or others)]
    if rest:
        lines.append("; ".join(rest))
    lines += [f"{kind}: left out, since {reason}" for kind, reason in plan.absent.items()]
    conditions = plan.conditions
    lines.append(
        f"[…] is where a fresh stretch of {int(0.9 * conditions.queries)} queries falls with 95 %, "
        f"from {conditions.repeats} of them"
    )
    return lines


def say_settings(settings: SchemeSettings) -> str:
    """Return what is set beside the workers: `wait for 10 answers, 20 ms for a group`."""
    group = f"{1e3 * settings.max_wait_s:.3g} ms for a group"
    if settings.name == "hedging" and settings.hedge is not None:
        return f"later than {settings.hedge.quantile:.0%}, at most {settings.hedge.budget:.0%} again"
    if settings.name == "replication":
        return f"{settings.copies} copies"
    if settings.name == "parity":
        return f"{settings.parity_workers} run each parity network, wait {group}"
    if settings.is_coded:
        until = "" if settings.deadline_s is None else f" or {1e3 * settings.deadline_s:.3g} ms"
        return f"wait for {settings.answers} answers{until}, {group}"
    return "no redundancy"


def _say(offer: Offer, plan: ServicePlan) -> str:
    tails = [f"{_TAILS[tail]} {_show_ms(offer.worth.tails_s[tail])} ms" for tail in plan.conditions.goals.limits_s]
    worth = ", ".join([*tails, f"agreement {_show_share(offer.worth.agreement)}"])
    return f"{offer.workers} workers with {offer.kind}, {say_settings(offer.settings)}: {worth}"


def _say_missed(offer: Offer) -> str:
    goals = " and ".join(_TAILS.get(name, name) for name in offer.missed)
    return f"{offer.kind} does not surely hold {goals} with any number of workers that was tried"


def _say_nothing_holds(plan: ServicePlan) -> str:
    most = plan.conditions.most_workers
    if not plan.offers:
        return f"nothing keeps up with {plan.conditions.rate:g} queries a second on {most} workers"
    nearest = plan.offers[0]
    goals = " and ".join(_TAILS.get(name, name) for name in nearest.missed)
    return f"nothing surely holds the goals with {most} workers; the nearest fails at {goals}: {_say(nearest, plan)}"


def _show_ms(seconds: Interval) -> str:
    mean, low, high = (1e3 * value for value in (seconds.mean, seconds.low, seconds.high))
    return f"{mean:.3g} [{low:.3g}, {high:.3g}]"


def _show_share(share: Interval) -> str:
    return f"{share.mean:.4f} [{share.low:.4f}, {share.high:.4f}]"

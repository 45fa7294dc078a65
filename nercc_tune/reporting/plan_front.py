"""What a shorter tail costs in workers and in error, by kind of scheme."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from nercc_tune.reporting.series import reach
from nercc_tune.reporting.style import INK, TEXT_PT, TICK_PT, Mark, dress, legend_above, new_figure
from nercc_tune.service.plan_record import Offer, ServicePlan, Tried

__all__ = ["figure_plan"]

_LABELS = {"p50": "p50", "p99": "p99", "p999": "p99.9"}
_STYLES = (("#666666", "s"), ("#CC79A7", "v"), ("#E69F00", "D"), ("#0072B2", "o"), ("#D55E00", "^"), ("#009E73", "P"))
_ERRORS = colormaps["YlOrRd"]
_LEAST_ERROR_RANGE = 0.01  # where nothing errs, or hardly, the colours still mean something
_ROOM = 4.0  # times the limit: what takes longer is left outside
_TICKS_MS = [digit * 10**power for power in range(6) for digit in (1, 1.5, 2, 3, 4, 5, 7)]
_OFFER_PT, _TRIED_PT, _CHOSEN_PT = 7.0, 4.0, 13.0
_COLUMNS = 3


def figure_plan(plan: ServicePlan) -> Figure:
    """Draw the tail that has a goal against the number of workers: further down and further left is better.

    Small marks are what the search simulated, and the steps the shortest tail for at most so many workers of a kind.
    Large marks with bars are the best of each kind on draws that it was not chosen on, with the interval of a fresh
    stretch; a ring is around the one to take. The fill says how many answers are expected to differ from the model's
    own. What takes four times as long as the limit, and what was given up early, is left outside.
    """
    goals = plan.conditions.goals
    tail, limit_s = goals.tail, goals.limits_s[goals.tail]
    kinds = list(dict.fromkeys([*(offer.kind for offer in plan.offers), *(tried.kind for tried in plan.tried)]))
    styles = {kind: _STYLES[number % len(_STYLES)] for number, kind in enumerate(sorted(kinds, key=_place))}
    shown = [each for each in plan.tried if not each.is_cut and each.tails_s[tail] <= _ROOM * limit_s]
    errors = [1 - each.agreement for each in shown] + [1 - offer.worth.agreement.mean for offer in plan.offers]
    norm = Normalize(0, max([*errors, _LEAST_ERROR_RANGE]))
    figure = new_figure(4.2)
    axes = figure.subplots()
    dress(axes, x="workers", y=f"{_LABELS[tail]}, ms")
    for kind, (colour, marker) in styles.items():
        of_kind = [each for each in shown if each.kind == kind]
        _draw_tried(axes, of_kind, tail=tail, colour=colour, marker=marker, norm=norm)
    for offer in plan.offers:
        colour, marker = styles[offer.kind]
        _draw_offer(axes, offer, tail=tail, mark=_mark(colour, marker, _OFFER_PT, norm, 1 - offer.worth.agreement.mean))
    if plan.chosen is not None:
        point = (float(plan.chosen.workers), 1e3 * plan.chosen.worth.tails_s[tail].mean)
        ring = Mark(marker="o", colour=INK, size=_CHOSEN_PT, is_hollow=True)
        axes.add_line(ring.at([point], label="chosen", zorder=6, is_clipped=True))
    axes.axhline(1e3 * limit_s, color=INK, linewidth=0.9, linestyle="--", zorder=1)
    _limit(axes, plan, shown, tail=tail, limit_s=limit_s)
    _draw_errors(figure, axes, norm)
    legend_above(figure, _handles(styles, limit_s), columns=_COLUMNS)
    return figure


def _place(kind: str) -> tuple[int, str]:
    plain = ("plain", "replication", "hedging")
    return (plain.index(kind) if kind in plain else len(plain)), kind


def _mark(colour: str, marker: str, size: float, norm: Normalize, error: float) -> Mark:
    return Mark(marker=marker, colour=to_hex(_ERRORS(norm(error))), size=size, edge=colour, edge_width=1.2)


def _draw_tried(axes: Axes, tried: Sequence[Tried], *, tail: str, colour: str, marker: str, norm: Normalize) -> None:
    best, front = float("inf"), []
    for each in sorted(tried, key=lambda each: (each.workers, each.tails_s[tail])):
        at = (float(each.workers), 1e3 * each.tails_s[tail])
        mark = _mark(colour, marker, _TRIED_PT, norm, 1 - each.agreement)
        axes.add_line(mark.at([at], label="tried", zorder=3, is_clipped=True))
        if at[1] < best:
            best = at[1]
            front.append(at)
    if front:
        x, y = zip(*front, strict=True)
        axes.add_line(Line2D(x, y, drawstyle="steps-post", color=colour, linewidth=0.9, label="front", zorder=2))


def _draw_offer(axes: Axes, offer: Offer, *, tail: str, mark: Mark) -> None:
    tail_s = offer.worth.tails_s[tail]
    x, y = float(offer.workers), 1e3 * tail_s.mean
    below, above = (1e3 * value for value in reach(tail_s))
    axes.errorbar(
        [x], [y], yerr=[[below], [above]], fmt="none", ecolor=mark.edge, elinewidth=1.1, capsize=2.5, zorder=4
    )
    axes.add_line(mark.at([(x, y)], label=offer.kind, zorder=5, is_clipped=True))


def _limit(axes: Axes, plan: ServicePlan, shown: Sequence[Tried], *, tail: str, limit_s: float) -> None:
    """Show all that matters, the limit among it, on a logarithmic axis with ticks that are read."""
    lows = [each.tails_s[tail] for each in shown] + [offer.worth.tails_s[tail].mean for offer in plan.offers]
    low, high = 1e3 * min([*lows, limit_s]), 1e3 * max(limit_s, min(_ROOM * limit_s, max([*lows, limit_s])))
    axes.set_yscale("log")
    axes.set_ylim(0.85 * low, 1.15 * high)
    axes.yaxis.set_major_locator(FixedLocator(_TICKS_MS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    workers = [each.workers for each in shown] + [offer.workers for offer in plan.offers]
    axes.set_xlim(0, 1.04 * max([*workers, 1]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_errors(figure: Figure, axes: Axes, norm: Normalize) -> None:
    bar = figure.colorbar(ScalarMappable(norm=norm, cmap=_ERRORS), ax=axes, pad=0.02)
    bar.set_label("answers that differ from the model's own", fontsize=TEXT_PT, color=INK)
    bar.ax.tick_params(labelsize=TICK_PT, colors=INK)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))


def _handles(styles: dict[str, tuple[str, str]], limit_s: float) -> list[Line2D]:
    marks = [
        Mark(marker=marker, colour="white", size=_OFFER_PT, edge=colour, edge_width=1.2).at([], label=kind)
        for kind, (colour, marker) in styles.items()
    ]
    limit = Line2D([], [], color=INK, linewidth=0.9, linestyle="--", label=f"the goal, {1e3 * limit_s:g} ms")
    ring = Mark(marker="o", colour=INK, size=9, is_hollow=True).at([], label="to take")
    return [*marks, limit, ring]

"""How every figure looks: one colour and marker for each code, one size of text, light background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from nercc_tune.records import CODE_NAMES

__all__ = [
    "CHOSEN",
    "CODES",
    "INK",
    "TEXT_PT",
    "TICK_PT",
    "WIDTH_IN",
    "CodeStyle",
    "Mark",
    "cell_colours",
    "dress",
    "legend_above",
    "new_figure",
    "write_inside",
]

WIDTH_IN = 7.0
"""Width of a figure in inches: two columns of a paper, or the text of a page."""

INK = "#333333"
TEXT_PT = 8
TICK_PT = 7
_HALO_PT = 1.6  # around a hollow mark, or it would vanish on its own colour
_GRID = "#e4e4e4"
_CELL_RANGE = (0.0, 0.85)  # viridis without its yellow end, which is faint on white


@dataclass(frozen=True, kw_only=True)
class CodeStyle:
    """What tells a code from the others in every figure: by colour, and by marker where colours are not seen."""

    label: str
    colour: str
    marker: str


CODES = {
    "tuned": CodeStyle(label=CODE_NAMES["tuned"], colour="#0072B2", marker="o"),
    "policy": CodeStyle(label=CODE_NAMES["policy"], colour="#009E73", marker="s"),
    "bacc": CodeStyle(label=CODE_NAMES["bacc"], colour="#D55E00", marker="^"),
    "nercc_ag": CodeStyle(label=CODE_NAMES["nercc_ag"], colour="#E69F00", marker="D"),
    "replication": CodeStyle(label=CODE_NAMES["replication"], colour="#CC79A7", marker="v"),
    "uncoded": CodeStyle(label=CODE_NAMES["uncoded"], colour="#666666", marker="X"),
    "default": CodeStyle(label=CODE_NAMES["default"], colour="#000000", marker=">"),
    "approxifer": CodeStyle(label=CODE_NAMES["approxifer"], colour="#8A2BE2", marker="h"),
    "vote": CodeStyle(label=CODE_NAMES["vote"], colour="#F0A3C4", marker="d"),
    "bacc_same_design": CodeStyle(label=CODE_NAMES["bacc_same_design"], colour="#A0522D", marker="<"),
    "frozen": CodeStyle(label=CODE_NAMES["frozen"], colour="#56B4E9", marker="P"),
}
"""By name; the colours are Okabe and Ito's, which the colour-blind can tell apart.

Reference: Okabe & Ito, Color Universal Design, 2008.
"""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How points without a line between them are drawn, in a panel and in its legend; sizes in points."""

    marker: str
    colour: str
    size: float
    edge: str | None = None
    edge_width: float = 0.8
    is_hollow: bool = False

    def at(
        self, points: Sequence[tuple[float, float]], *, label: str, zorder: float = 3, is_clipped: bool = False
    ) -> Line2D:
        """Return the artist for points (x, y), whole even on the edge of its panel unless it is clipped there."""
        line = Line2D(
            [x for x, _ in points],
            [y for _, y in points],
            linestyle="none",
            marker=self.marker,
            color=self.colour,
            markersize=self.size,
            markerfacecolor="none" if self.is_hollow else self.colour,
            markeredgecolor=self.edge or self.colour,
            markeredgewidth=self.edge_width,
            label=label,
            zorder=zorder,
            clip_on=is_clipped,
        )
        if self.is_hollow:
            line.set_path_effects([withStroke(linewidth=self.edge_width + _HALO_PT, foreground="white")])
        return line


CHOSEN = Mark(marker="*", colour=CODES["tuned"].colour, size=11, edge="white")
"""The chosen pair, where its neighbours are shown as well."""


def new_figure(height_in: float) -> Figure:
    """Return an empty figure that no pyplot knows of, `WIDTH_IN` wide."""
    return Figure(figsize=(WIDTH_IN, height_in), dpi=150, layout="constrained", facecolor="white")


def dress(axes: Axes, *, x: str = "", y: str = "", title: str = "") -> None:
    """Label axes and give them the common look."""
    axes.set_xlabel(x, fontsize=TEXT_PT, color=INK)
    axes.set_ylabel(y, fontsize=TEXT_PT, color=INK)
    axes.set_title(title, fontsize=TEXT_PT, color=INK, loc="left")
    axes.tick_params(which="both", labelsize=TICK_PT, colors=INK)
    axes.grid(visible=True, which="major", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)


def write_inside(axes: Axes, text: str) -> None:
    """Write why there is nothing to see into the middle of a panel."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=TEXT_PT, color=INK)


def legend_above(figure: Figure, handles: Sequence[Line2D], *, columns: int) -> None:
    """Put one legend for all panels above them."""
    labels = [str(handle.get_label()) for handle in handles]
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=columns,
        fontsize=TEXT_PT,
        frameon=False,
        labelcolor=INK,
        columnspacing=1.2,
        handlelength=1.6,
    )


def cell_colours(count: int) -> list[str]:
    """Return one colour for each of several cells, dark to light: they are ordered by S, and are no codes."""
    first, last = _CELL_RANGE
    steps = [first + (last - first) * index / max(1, count - 1) for index in range(count)]
    return [to_hex(colormaps["viridis"](step)) for step in steps]

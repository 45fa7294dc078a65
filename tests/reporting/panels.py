"""What a figure shows, read back from its artists."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D


def draw(figure: Figure) -> Figure:
    """Lay the figure out as for a file, which is where most faults show."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure


def panels(figure: Figure) -> list[Axes]:
    """Return the axes without colour bars."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]


def marked(axes: Axes, label: str) -> list[tuple[float, float]]:
    return [point for line in axes.lines if line.get_label() == label for point in points(line)]


def legend(figure: Figure) -> dict[str, Line2D]:
    lines = figure.legends[0].get_lines()
    return dict(zip([text.get_text() for text in figure.legends[0].get_texts()], lines, strict=True))


def colour(line: Line2D) -> str:
    return to_hex(line.get_color()).upper()


def is_inside(figure: Figure) -> bool:
    """Whether legend, titles, labels and ticks lie within the figure."""
    canvas = figure.bbox
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    boxes += [legend.get_window_extent() for legend in figure.legends]
    corners = np.array([box.extents for box in boxes if box is not None])
    return bool(
        (corners[:, :2] >= -1).all()
        and (corners[:, 2] <= canvas.x1 + 1).all()
        and (corners[:, 3] <= canvas.y1 + 1).all()
    )

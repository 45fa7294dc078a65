"""What the workers see: queries beside coded queries."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from nercc_tune.reporting.style import CODES, INK, WIDTH_IN, dress, new_figure

__all__ = ["figure_coded_queries"]

_Array = NDArray[np.floating]

_MOST_TILES = 80  # of one panel; more would be too small to see
_ROWS = 10  # of tiles, as in the paper
_GAP = 0.08  # between tiles, of their width
_CHANNELS = 3


def figure_coded_queries(queries: _Array, coded: Mapping[str, _Array]) -> Figure:
    """Draw the queries of one group beside what each code sends to its workers, all on one range of intensity.

    Images are shown as such, row by row in the order of the nodes; of more than 80 an evenly spaced subset. Other
    queries are heat maps, a row each.

    Args:
        queries: [K, H, W], [K, H, W, 3], [K, 3, H, W] or, with one channel, [K, 1, H, W]; else [K, d].
        coded: By name of the code, [N, …] with the queries' other axes.

    Raises:
        ValueError: If `queries` is of none of these shapes, a coded array does not fit it, or a value is not finite.
    """
    arrays = {"queries": np.asarray(queries), **{name: np.asarray(array) for name, array in coded.items()}}
    for name, array in arrays.items():
        if array.shape[1:] != arrays["queries"].shape[1:] or not len(array):
            raise ValueError(
                f"`{name}` must have the shape of the queries beyond its first axis, but got {array.shape}."
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"`{name}` must be finite, but got {np.count_nonzero(~np.isfinite(array))} values that are not."
            )
    panels = {name: _channels_last(array) for name, array in arrays.items()}
    low, high = min(array.min() for array in panels.values()), max(array.max() for array in panels.values())
    is_image = panels["queries"].ndim > 2
    return (_draw_images if is_image else _draw_heat_maps)(panels, low=float(low), high=float(high))


def _channels_last(array: _Array) -> _Array:
    """Return [n, d], [n, H, W] or [n, H, W, 3]."""
    if array.ndim in (2, 3):
        return array
    if array.ndim == 4 and array.shape[-1] == _CHANNELS:
        return array
    if array.ndim == 4 and array.shape[1] == _CHANNELS:
        return np.moveaxis(array, 1, -1)
    if array.ndim == 4 and array.shape[1] == 1:
        return array[:, 0]
    raise ValueError(f"`queries` must be [K, d], [K, H, W], [K, H, W, 3] or [K, 3, H, W], but got {array.shape}.")


def _shown(count: int) -> NDArray[np.int64]:
    return np.linspace(0, count - 1, min(count, _MOST_TILES)).round().astype(np.int64)


def _title(name: str, *, count: int, shown: int) -> str:
    symbol = "K" if name == "queries" else "N"
    label = name if name == "queries" else f"coded by {CODES[name].label if name in CODES else name}"
    return f"{label}\n{symbol} = {count}" + (f", {shown} shown" if shown < count else "")


def _draw_images(panels: dict[str, _Array], *, low: float, high: float) -> Figure:
    rows = min(_ROWS, max(len(_shown(len(array))) for array in panels.values()))
    columns = {name: math.ceil(len(_shown(len(array))) / rows) for name, array in panels.items()}
    height, width = panels["queries"].shape[1:3]
    tile_in = WIDTH_IN * 0.95 / (sum(columns.values()) + len(panels))
    figure = new_figure(0.7 + min(9.0, tile_in * rows * height / width))
    row = figure.subplots(1, len(panels), squeeze=False, width_ratios=list(columns.values()))[0]
    for axes, (name, array) in zip(row, panels.items(), strict=True):
        chosen = _shown(len(array))
        tiles = _mosaic((array[chosen] - low) / ((high - low) or 1.0), columns=columns[name])
        axes.imshow(tiles, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        dress(axes, title=_title(name, count=len(array), shown=len(chosen)))
        axes.set_axis_off()
    return figure


def _mosaic(images: _Array, *, columns: int) -> _Array:
    """Lay images in [0, 1] out row by row; between them it is white."""
    count, height, width = images.shape[:3]
    gap = max(1, round(_GAP * width))
    rows = math.ceil(count / columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *images.shape[3:])
    tiles = np.ones(shape)
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        tiles[top : top + height, left : left + width] = image
    return tiles


def _draw_heat_maps(panels: dict[str, _Array], *, low: float, high: float) -> Figure:
    figure = new_figure(3.2)
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, array) in zip(row, panels.items(), strict=True):
        image = _heat_map(axes, array, low=low, high=high)
        index = "query k" if name == "queries" else "worker n"
        dress(axes, x="feature", y=index, title=_title(name, count=len(array), shown=len(array)))
        axes.grid(visible=False)
    bar = figure.colorbar(image, ax=list(row), pad=0.02)
    bar.ax.tick_params(labelsize=7, colors=INK)
    bar.set_label("intensity", fontsize=8, color=INK)
    return figure


def _heat_map(axes: Axes, array: _Array, *, low: float, high: float) -> AxesImage:
    extent = (-0.5, array.shape[1] - 0.5, len(array) + 0.5, 0.5)
    return axes.imshow(
        array, aspect="auto", cmap="viridis", vmin=low, vmax=high, interpolation="nearest", extent=extent
    )

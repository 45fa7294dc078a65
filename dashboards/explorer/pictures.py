"""Queries and coded queries as pictures, with words for those who do not see them."""

from __future__ import annotations

import base64
import html
import io
import math

import numpy as np
from matplotlib import colormaps
from matplotlib.image import imsave
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GAP = 1  # pixels between tiles
_CHANNELS = 3


def mosaic(pictures: Array, *, columns: int, span: tuple[float, float]) -> Array:
    """Lay pictures [n, H, W] or [n, H, W, 3] out row by row, in [0, 1] over a span of intensities."""
    low, high = span
    scaled = np.clip((pictures - low) / ((high - low) or 1.0), 0.0, 1.0)
    count, height, width = scaled.shape[:3]
    rows = math.ceil(count / columns)
    tiles = np.ones((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, *scaled.shape[3:]))
    for index, picture in enumerate(scaled):
        top, left = index // columns * (height + _GAP), index % columns * (width + _GAP)
        tiles[top : top + height, left : left + width] = picture
    return tiles


def as_pictures(queries: Array) -> Array:
    """Return queries [n, …] as pictures [n, H, W] or [n, H, W, 3]; a query that is no picture becomes one row."""
    if queries.ndim == 4 and queries.shape[1] == _CHANNELS:
        return np.moveaxis(queries, 1, -1)
    if queries.ndim == 4 and queries.shape[1] == 1:
        return queries[:, 0]
    return queries if queries.ndim == 3 else queries.reshape(len(queries), 1, -1)


def to_html(picture: Array, *, words: str, width: str = "100%") -> str:
    """Return a picture in [0, 1] as an HTML element that carries its own data."""
    buffer = io.BytesIO()
    imsave(buffer, picture, cmap=colormaps["gray"], vmin=0.0, vmax=1.0, format="png")
    data = base64.b64encode(buffer.getvalue()).decode()
    style = f"width:{width};image-rendering:pixelated;border-radius:4px"
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(words, quote=True)}" style="{style}">'

"""Queries and coded queries as pictures, with words for those who do not see them."""

from __future__ import annotations

import base64
import html
import io
import math

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GAP = 1  # pixels between tiles
_CHANNELS = 3


def mosaic(pictures: Array, *, columns: int, span: tuple[float, float]) -> Array:
    """Lay pictures [n, H, W] or [n, H, W, 3] out row by row as RGBA in [0, 1], over a span of intensities.

    Between the pictures one sees through.
    """
    low, high = span
    scaled = np.clip((pictures - low) / ((high - low) or 1.0), 0.0, 1.0)
    colours = scaled if scaled.ndim > 3 else np.repeat(scaled[..., None], _CHANNELS, axis=-1)
    count, height, width = colours.shape[:3]
    rows = math.ceil(count / columns)
    tiles = np.zeros((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, _CHANNELS + 1))
    for index, picture in enumerate(colours):
        top, left = index // columns * (height + _GAP), index % columns * (width + _GAP)
        tiles[top : top + height, left : left + width, :_CHANNELS] = picture
        tiles[top : top + height, left : left + width, _CHANNELS] = 1.0
    return tiles


def as_pictures(queries: Array) -> Array:
    """Return queries [n, …] as pictures [n, H, W] or [n, H, W, 3]; a query that is no picture becomes one row."""
    if queries.ndim == 4 and queries.shape[1] == _CHANNELS:
        return np.moveaxis(queries, 1, -1)
    if queries.ndim == 4 and queries.shape[1] == 1:
        return queries[:, 0]
    return queries if queries.ndim == 3 else queries.reshape(len(queries), 1, -1)


def to_html(picture: Array, *, words: str, width: str = "100%") -> str:
    """Return a picture [H, W, 4] in [0, 1] as an HTML element that carries its own data."""
    buffer = io.BytesIO()
    imsave(buffer, picture, format="png")
    data = base64.b64encode(buffer.getvalue()).decode()
    style = f"width:{width};image-rendering:pixelated;border-radius:4px"
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(words, quote=True)}" style="{style}">'

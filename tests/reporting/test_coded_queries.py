from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from nercc_tune.reporting.coded_queries import figure_coded_queries
from nercc_tune.reporting.style import CODES
from tests.reporting.panels import draw, is_inside, panels

_RNG = np.random.default_rng(7)


def _shown(axes: Axes) -> NDArray[np.float64]:
    return np.asarray(axes.images[0].get_array(), dtype=np.float64)


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 3), (3, 6, 6), (1, 6, 6)])
def test_images_of_every_layout_are_drawn(shape: tuple[int, ...]) -> None:
    queries, coded = _RNG.random((5, *shape)), _RNG.random((12, *shape))
    figure = draw(figure_coded_queries(queries, {"bacc": coded}))
    assert [_shown(axes).ndim for axes in panels(figure)] == [3 if 3 in shape else 2] * 2
    assert is_inside(figure)


def test_tiles_are_the_images_on_one_range() -> None:
    queries, coded = _RNG.random((10, 8, 8)), 3 * _RNG.random((20, 8, 8)) - 1
    left, right = panels(figure_coded_queries(queries, {"bacc": coded}))
    low, high = coded.min(), coded.max()
    np.testing.assert_allclose(_shown(left)[:8, :8], (queries[0] - low) / (high - low))
    np.testing.assert_allclose(_shown(right)[9:17, 9:17], (coded[3] - low) / (high - low))


def test_channels_first_and_last_look_alike() -> None:
    queries = _RNG.random((4, 5, 5, 3))
    last = panels(figure_coded_queries(queries, {"bacc": queries}))[0]
    moved = np.moveaxis(queries, -1, 1)
    first = panels(figure_coded_queries(moved, {"bacc": moved}))[0]
    np.testing.assert_array_equal(_shown(first), _shown(last))


def test_many_workers_are_an_evenly_spaced_subset() -> None:
    queries, coded = np.zeros((30, 2, 2)), np.broadcast_to(np.arange(200.0)[:, None, None], (200, 2, 2))
    _, axes = panels(figure_coded_queries(queries, {"tuned": coded}))
    assert axes.get_title(loc="left") == f"coded by {CODES['tuned'].label}\nN = 200, 80 shown"
    tiles = _shown(axes)[::3, ::3].ravel() * 199
    assert (tiles[0], tiles[-1]) == (0, 199)
    assert set(np.diff(tiles).round()) <= {2, 3}


def test_panels_are_named() -> None:
    queries = _RNG.random((30, 4, 4))
    figure = figure_coded_queries(queries, {"bacc": _RNG.random((70, 4, 4)), "mine": _RNG.random((70, 4, 4))})
    titles = [axes.get_title(loc="left") for axes in panels(figure)]
    assert titles == ["queries\nK = 30", "coded by BACC\nN = 70", "coded by mine\nN = 70"]


def test_other_queries_are_heat_maps_on_one_range() -> None:
    queries, coded = _RNG.random((5, 9)), 2 * _RNG.random((12, 9))
    figure = draw(figure_coded_queries(queries, {"bacc": coded}))
    left, right = panels(figure)
    np.testing.assert_array_equal(_shown(left), queries)
    np.testing.assert_array_equal(_shown(right), coded)
    low, high = min(queries.min(), coded.min()), max(queries.max(), coded.max())
    assert left.images[0].get_clim() == right.images[0].get_clim() == (low, high)
    assert (left.get_ylabel(), right.get_ylabel()) == ("query k", "worker n")
    assert is_inside(figure)


def test_queries_without_contrast_are_drawn() -> None:
    draw(figure_coded_queries(np.ones((3, 4, 4)), {"bacc": np.ones((5, 4, 4))}))


@pytest.mark.parametrize("shape", [(4,), (4, 2, 5, 5), (4, 1, 1, 1, 1)])
def test_queries_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`queries` must be \[K, d\], \[K, H, W\], .* but got \(4,"):
        figure_coded_queries(np.zeros(shape), {})


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 16), (0, 4, 4)])
def test_coded_queries_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="`bacc` must have the shape of the queries beyond its first axis, but got"):
        figure_coded_queries(np.zeros((3, 4, 4)), {"bacc": np.zeros(shape)})


def test_values_that_are_not_finite_are_refused() -> None:
    coded = np.zeros((5, 4, 4))
    coded[0, 0, :2] = np.nan, np.inf
    with pytest.raises(ValueError, match="`bacc` must be finite, but got 2 values that are not"):
        figure_coded_queries(np.zeros((3, 4, 4)), {"bacc": coded})

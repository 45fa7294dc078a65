from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nercc_tune.records import CellHistory, Surface
from nercc_tune.reporting.pictures.recorded_surface import recorded_surface
from nercc_tune.reporting.pictures.surface_map import SurfaceMap, with_gaps
from tests.builders import GRID, cell_history, score


def _surface(cell: CellHistory) -> Surface:
    surface = recorded_surface(cell, grid=GRID)
    assert surface is not None
    return surface


def test_an_error_is_shown_by_its_logarithm_and_zero_as_the_least_of_the_others() -> None:
    cell = cell_history(40)
    surface = _surface(cell)
    values = np.array(surface.values)
    found = SurfaceMap.of(surface, cell)
    np.testing.assert_array_equal(found.shown, np.log10(values))
    np.testing.assert_allclose(found.ratios, values[1:, 1:] / values.min(), rtol=1e-15)
    assert found.has_contours
    large = replace(surface, values=((0.0, 7.0), (5.0, 9.0)), lambda_encs=(1.0, 2.0), lambda_decs=(1.0, 2.0))
    assert SurfaceMap.of(large, cell).shown[0, 0] == pytest.approx(np.log10(5.0))
    assert SurfaceMap.of(large, cell).ratios.tolist() == [[1.0, 1.4], [1.0, 1.8]]


def test_a_flat_surface_and_one_of_shares_have_no_lines() -> None:
    cell = cell_history(40)
    surface = _surface(cell)
    flat = replace(surface, values=tuple((0.2,) * len(GRID) for _ in surface.lambda_encs))
    assert not SurfaceMap.of(flat, cell).has_contours
    assert not SurfaceMap.of(replace(surface, metric="agreement"), cell).has_contours
    narrow = replace(surface, lambda_encs=(0.0, 1e-9), values=surface.values[:2])
    assert not SurfaceMap.of(narrow, cell).has_contours


def test_shares_end_a_tenth_below_the_best_or_at_the_origin() -> None:
    cell = cell_history(40)
    shares = replace(
        _surface(cell), metric="rel_acc", lambda_encs=(0.0,), lambda_decs=(0.0, 1.0, 2.0), values=((0.95, 0.2, 1.0),)
    )
    assert SurfaceMap.of(shares, cell).low == pytest.approx(0.9)
    worse = replace(cell, baselines={"nercc_ag": score(0.1, rel_acc=0.7)})
    assert SurfaceMap.of(shares, worse).low == pytest.approx(0.7)
    unknown = replace(cell, baselines={"nercc_ag": score(0.1, rel_acc=None)})
    assert (SurfaceMap.of(shares, unknown).low, SurfaceMap.of(shares, unknown).high) == pytest.approx((0.9, 1.0))


def test_gaps_part_zero_from_the_rest() -> None:
    surface = replace(
        _surface(cell_history(40)), lambda_encs=(0.0, 1e-3), lambda_decs=(1e-3, 1e-2), values=((1.0, 2.0), (3.0, 4.0))
    )
    nan = np.nan
    np.testing.assert_array_equal(with_gaps(surface, np.array(surface.values)), [[1, 2], [nan, nan], [3, 4]])

from __future__ import annotations

import math

import pytest
from matplotlib.figure import Figure

from nercc_tune.reporting.lambda_scale import LambdaScale, log_edges
from nercc_tune.reporting.mse_scale import set_mse_scale


def test_edges_are_geometric_means_and_reach_out_as_far() -> None:
    assert log_edges([1e-3, 1e-2, 1e-1]) == pytest.approx([10**-3.5, 10**-2.5, 10**-1.5, 10**-0.5])


def test_a_lonely_value_has_a_cell_of_a_decade() -> None:
    assert log_edges([1e-3]) == pytest.approx([10**-3.5, 10**-2.5])


def test_outer_cells_reach_half_a_decade_at_most() -> None:
    assert log_edges([1e-9, 1e-3]) == pytest.approx([10**-9.5, 1e-6, 10**-2.5])


def test_every_value_is_within_its_scale() -> None:
    scale = LambdaScale.around([1e-5, 0.0, 3e-2])
    assert scale.zero_edges[0] < 0 < scale.zero_edges[1] < scale.floor < 1e-5
    assert scale.ceiling > 3e-2


def test_ticks_are_zero_and_few_whole_decades() -> None:
    ticks = LambdaScale.around([0.0, 1e-14, 1.0]).ticks(4)
    assert ticks[0] == 0.0
    assert len(ticks) <= 5
    assert all(math.log10(tick) == pytest.approx(round(math.log10(tick))) for tick in ticks[1:])


def test_values_between_two_decades_are_ticks_themselves() -> None:
    assert LambdaScale.around([3e-7, 4e-7]).ticks(4) == [0.0, 3e-7, 4e-7]


def test_zero_alone_has_a_scale() -> None:
    assert LambdaScale.around([0.0]).ticks(4) == [0.0]


@pytest.mark.parametrize(
    ("values", "scale"),
    [([], "linear"), ([0.0], "linear"), ([1.0, 4.9], "linear"), ([1.0, 5.1], "log"), ([0.0, 1.0, 9.0], "symlog")],
)
def test_the_range_asks_for_the_scale(values: list[float], scale: str) -> None:
    axes = Figure().subplots()
    set_mse_scale(axes, values)
    assert axes.get_yscale() == scale


@pytest.mark.parametrize(("values", "scale"), [([1.0, 4.9], "linear"), ([1.0, 5.1], "log")])
def test_either_axis_can_be_scaled(values: list[float], scale: str) -> None:
    axes = Figure().subplots()
    set_mse_scale(axes, values, which="x", top=99.0)
    assert (axes.get_xscale(), axes.get_yscale()) == (scale, "linear")
    assert axes.get_xlim()[1] == 99.0


@pytest.mark.parametrize("values", [[0.5, 0.6, 99.0], [0.1, 0.9, 99.0], [0.0, 0.1, 0.9, 99.0]])
def test_what_is_above_the_top_is_left_outside(values: list[float]) -> None:
    axes = Figure().subplots()
    set_mse_scale(axes, values, top=1.0)
    bottom, top = axes.get_ylim()
    assert bottom < values[0]
    assert top == 1.0

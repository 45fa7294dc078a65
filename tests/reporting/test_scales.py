from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from nercc_tune.reporting.scales import set_mse_scale


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

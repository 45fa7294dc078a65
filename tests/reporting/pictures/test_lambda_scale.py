from __future__ import annotations

import math

import pytest

from nercc_tune.reporting.pictures.lambda_scale import LambdaScale, cell_places, decade_of, log_edges


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


def test_zero_has_a_cell_apart_from_the_others() -> None:
    scale = LambdaScale.around([0.0, 1e-3, 1e-2])
    assert scale.edges([0.0, 1e-3, 1e-2]) == pytest.approx([*scale.zero_edges, *log_edges([1e-3, 1e-2])])
    assert scale.edges([1e-3, 1e-2]) == pytest.approx(log_edges([1e-3, 1e-2]))
    assert cell_places([0.0, 1e-3, 1e-2]) == [0, 2, 3]
    assert cell_places([1e-3, 1e-2]) == [0, 1]


@pytest.mark.parametrize(("value", "power"), [(1.0, 0), (1e-14, -14), (1e3, 3), (0.0, None), (3e-7, None)])
def test_only_whole_powers_of_ten_are_decades(value: float, power: int | None) -> None:
    assert decade_of(value) == power

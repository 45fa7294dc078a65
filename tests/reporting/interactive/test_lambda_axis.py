from __future__ import annotations

import pytest

from nercc_tune.reporting.interactive.lambda_axis import LambdaAxis


def test_positive_values_lie_at_their_logarithm() -> None:
    axis = LambdaAxis.around([0.0, 1e-9, 3e-4])
    assert axis.places([1e-9, 1e-6, 1.0]) == pytest.approx([-9, -6, 0])


def test_zero_has_a_strip_apart_from_the_least_cell() -> None:
    axis = LambdaAxis.around([1e-9, 1e-8, 1e-7])
    (low, high), (edges, cells) = axis.zero_edges, axis.edges([0.0, 1e-9, 1e-8, 1e-7])
    assert low < axis.place(0.0) < high < -9.5
    assert edges == pytest.approx([low, high, -9.5, -8.5, -7.5, -6.5])
    assert cells == [0, 2, 3, 4]


def test_without_zero_there_is_no_cell_for_it() -> None:
    axis = LambdaAxis.around([1e-9, 1e-7])
    edges, cells = axis.edges([1e-9, 1e-7])
    assert edges == pytest.approx([-9.5, -8.0, -6.5])
    assert cells == [0, 1]


def test_ticks_are_zero_and_decades() -> None:
    layout = LambdaAxis.around([1e-12, 1.0]).layout("λ", most_ticks=4)
    assert layout["ticktext"][0] == "0"
    assert layout["ticktext"][1:] == ["1e-12", "1e-8", "1e-4", "1"]
    assert layout["tickvals"][1:] == pytest.approx([-12, -8, -4, 0])
    assert layout["range"][0] < layout["tickvals"][0]


def test_with_zero_alone_only_the_strip_is_shown() -> None:
    axis = LambdaAxis.around([0.0])
    assert axis.layout("λ")["ticktext"] == ["0"]
    assert axis.layout("λ")["range"] == list(axis.zero_edges)
    assert axis.edges([0.0]) == (list(axis.zero_edges), [0])


def test_values_between_decades_are_ticks_where_no_decade_is() -> None:
    assert LambdaAxis.around([2e-7, 3e-7]).layout("λ")["ticktext"] == ["0", "2e-07", "3e-07"]

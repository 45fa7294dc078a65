from __future__ import annotations

import pytest

from nercc_tune.reporting.interactive import plot_outputs, plot_weights


def test_each_code_has_its_bars() -> None:
    figure = plot_weights({"tuned": [0.1, 0.9], "bacc": [-0.2, 1.2]})
    assert [(trace.name, list(trace.y)) for trace in figure.data] == [("NeRCC", [0.1, 0.9]), ("BACC", [-0.2, 1.2])]


def test_outputs_and_estimates_share_one_scale() -> None:
    figure = plot_outputs([[0.0, 1.0]], [[0.2, 0.7]])
    assert [trace.coloraxis for trace in figure.data] == ["coloraxis", "coloraxis"]
    assert [trace.z[0].tolist() if hasattr(trace.z[0], "tolist") else list(trace.z[0]) for trace in figure.data] == [
        [0.0, 1.0],
        [0.2, 0.7],
    ]
    assert {trace.xaxis for trace in figure.data} == {"x", "x2"}


def test_estimates_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`estimates` must have the shape of `outputs` \(1, 2\), but got \(1, 3\)"):
        plot_outputs([[0.0, 1.0]], [[0.2, 0.7, 0.1]])

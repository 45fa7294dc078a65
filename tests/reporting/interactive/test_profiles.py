from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.records import Interval, Profile
from nercc_tune.reporting.interactive import plot_profiles
from nercc_tune.reporting.style import CODES
from tests.builders import GRID, interval, landscape
from tests.reporting.interactive.traces import check, names, plain


def _profile(other: float) -> Profile:
    points = tuple(interval(landscape(40, other, value)) for value in GRID)
    return Profile(metric="mse", axis="lambda_dec", other=other, smoothings=GRID, points=points)


def test_a_line_a_band_and_a_mark_at_zero_for_each() -> None:
    figure = plot_profiles([_profile(0.0), _profile(1e-7)])
    check(figure)
    assert names(figure) == ["λ<sub>enc</sub> = 0", "λ<sub>enc</sub> = 1e-07"]
    band, line, zero = figure.data[:3]
    profile = _profile(0.0)
    assert list(line.y) == [point.mean for point in profile.points[1:]]
    assert line.x[0] == pytest.approx(-14)
    assert list(band.y) == [point.high for point in profile.points[1:]] + [point.low for point in profile.points[:0:-1]]
    assert list(zero.y) == [profile.points[0].mean]
    assert zero.error_y.array[0] == pytest.approx(profile.points[0].high - profile.points[0].mean)
    assert zero.x[0] < figure.layout.xaxis.tickvals[1]
    assert figure.layout.yaxis.type == "log"


def test_a_hover_says_the_pair_and_the_interval() -> None:
    text = plain(plot_profiles([_profile(1e-7)]).data[1].hovertext[0])
    assert "= 1e-14" in text
    assert "= 1e-07" in text
    assert "MSE" in text
    assert "[" in text


def test_one_alone_has_the_colour_of_the_tuned_code() -> None:
    assert plot_profiles([_profile(1e-7)]).data[1].line.color == CODES["tuned"].colour


def test_along_the_encoder_of_a_share() -> None:
    points = (Interval(mean=0.9, low=0.8, high=0.95),)
    profile = Profile(metric="rel_acc", axis="lambda_enc", other=1e-6, smoothings=(0.0,), points=points)
    figure = plot_profiles([profile])
    check(figure)
    assert figure.layout.xaxis.title.text == "λ<sub>enc</sub>"
    assert figure.layout.yaxis.type is None
    assert names(figure) == ["λ<sub>dec</sub> = 1e-06"]


def test_an_error_of_zero_has_a_place() -> None:
    profile = _profile(1e-7)
    exact = Interval(mean=0.0, low=0.0, high=0.0)
    figure = plot_profiles([replace(profile, points=(exact, *profile.points[1:-1], exact))])
    check(figure)
    assert min(figure.data[0].y) > 0
    assert figure.layout.yaxis.ticktext[0] == "0"
    assert figure.layout.yaxis.tickvals[0] == figure.data[1].y[-1] == figure.data[2].y[0]


def test_none_and_several_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`profiles` must be of one axis and one metric, but got \[\]"):
        plot_profiles([])
    other = replace(_profile(0.0), metric="agreement")
    with pytest.raises(ValueError, match=r"`profiles` must be of one axis and one metric, but got .*agreement"):
        plot_profiles([_profile(0.0), other])

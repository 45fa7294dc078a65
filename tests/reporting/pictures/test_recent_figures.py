from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nercc_tune.reporting.pictures.recent_figures import PERCENTS, RecentFigures
from nercc_tune.service.commands import Source, Tally
from nercc_tune.service.measured import SOURCES, Measured
from nercc_tune.service.recent_answers import RecentAnswer
from tests.service.statuses import recent_answers


def test_percentiles_are_those_of_a_measurement() -> None:
    recent = recent_answers(777)
    places = [SOURCES.index(None if answer.source is None else Source(answer.source)) for answer in recent]
    measured = Measured(
        scheme="coded",
        rate=20.0,
        seconds=40.0,
        latency_s=np.array([answer.latency_s for answer in recent]),
        sources=np.array(places, dtype=np.int8),
        tally=Tally(),
    )
    figures = RecentFigures.of(recent)
    assert figures.percentiles_s == {percent: measured.percentile_s(percent) for percent in PERCENTS}
    assert figures.percentiles_s[99.0] == math.inf  # an eighth is refused
    assert figures.decoded == measured.share(Source.DECODED)


def test_shares_rate_and_expected_errors() -> None:
    figures = RecentFigures.of(recent_answers(80))
    assert (figures.queries, figures.decoded, figures.refused) == (80, 0.25, 0.125)
    assert figures.rate == pytest.approx(20.0)
    assert len(figures.expected_errors) == 20
    assert list(figures.expected_errors) == sorted(figures.expected_errors)


def test_estimates_of_which_nothing_is_known_have_no_expected_error() -> None:
    unknown = [replace(answer, expected_error=None) for answer in recent_answers(16)]
    assert RecentFigures.of(unknown).expected_errors == ()


def test_one_query_has_no_rate() -> None:
    assert RecentFigures.of([RecentAnswer(at=1.0, latency_s=0.5, source="own", expected_error=0.0)]).rate is None


def test_no_queries_have_no_figures() -> None:
    with pytest.raises(ValueError, match="`recent` must hold a query"):
        RecentFigures.of([])

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nercc_tune.records import (
    DISTRUSTS,
    ERROR_KINDS,
    LOCATORS,
    Detection,
    Distrust,
    DistrustKind,
    ErrorKind,
    Interval,
    WrongAnswers,
)
from nercc_tune.records.strict_json import from_json, to_json

NUMBERED = [name for name, number in ERROR_KINDS.items() if number is not None]
PLAIN = [name for name, number in ERROR_KINDS.items() if number is None]
DISTRUST = Distrust(kind="residuals", level=4.0, most=7, scale=1.5)
DETECTION = Detection(
    kind="normal-10",
    wrong=40,
    found=30,
    right=200,
    accused=5,
    prob_mse=Interval(mean=0.02, low=0.01, high=0.03),
    oracle=Interval(mean=0.01, low=0.005, high=0.015),
    ratio=Interval(mean=2.0, low=1.5, high=2.5),
)
JUDGED = WrongAnswers(
    bound=2,
    detections=(DETECTION, replace(DETECTION, kind="nan", ratio=None)),
    none_wrong=Interval(mean=0.011, low=0.01, high=0.012),
    none_wrong_trusting=Interval(mean=0.01, low=0.009, high=0.011),
    cost=Interval(mean=0.1, low=0.05, high=0.15),
    false_alarms=0.004,
)


@given(name=st.sampled_from(NUMBERED), number=st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_a_kind_is_read_back_from_its_label_whatever_its_number(name: str, number: float) -> None:
    kind = ErrorKind(name=name, number=abs(number))
    assert ErrorKind.of(kind.label) == kind
    assert ErrorKind.of(kind.label).label == kind.label


@pytest.mark.parametrize("name", PLAIN)
def test_a_kind_without_a_number_is_called_by_its_name(name: str) -> None:
    kind = ErrorKind.of(name)
    assert (kind.name, kind.number, kind.label) == (name, None, name)


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("normal", "normal-1"),
        ("normal-1.0", "normal-1"),
        ("normal-010", "normal-10"),
        ("stale", "stale-0.1"),
        ("stale-0.0000001", "stale-0.0000001"),
        ("constant", "constant-0"),
        ("constant-2.50", "constant-2.5"),
        ("constant-100", "constant-100"),
    ],
)
def test_kinds_that_are_the_same_have_one_label(written: str, label: str) -> None:
    assert ErrorKind.of(written).label == label


@pytest.mark.parametrize(
    "written",
    [
        *("", "normal-", "normal-x", "normal--1", "normal-1e3", "normal-.5", "normal-1.", "sign-flip-1", "nan-0"),
        *("Normal", "normal-1\n", " normal", "other", "normal-٣", "infinity-1", "inf"),
    ],
)
def test_what_is_no_kind_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"^a kind of wrong answers must be one of sign-flip, .*, infinity, but got '"):
        ErrorKind.of(written)


def test_a_number_that_is_no_float_is_refused() -> None:
    assert ErrorKind.of("constant-1" + "0" * 300).number == 1e300
    with pytest.raises(ValueError, match=r"must be finite, but got 'constant-1000"):
        ErrorKind.of("constant-1" + "0" * 309)


@pytest.mark.parametrize(
    "record",
    [ErrorKind.of("stale-0.25"), ErrorKind.of("nan"), DISTRUST, replace(DISTRUST, typical=2.5), DETECTION, JUDGED],
)
def test_records_are_read_back_from_json_as_they_were(record: object) -> None:
    written = json.dumps(to_json(record), allow_nan=False)
    assert from_json(type(record), json.loads(written)) == record


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (DISTRUST, {"kind": "astrology"}),
        (DISTRUST, {"level": math.inf}),
        (DISTRUST, {"least": 1.0}),
        (DETECTION, {"wrong": 1.5}),
        (DETECTION, {"share": 0.5}),
        (JUDGED, {"false_alarms": math.nan}),
        (JUDGED, {"detections": [{}]}),
        (JUDGED, {"bound": None}),
    ],
)
def test_json_of_something_else_is_refused(record: object, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        from_json(type(record), {**to_json(record), **change})


@pytest.mark.parametrize("kind", DISTRUSTS)
def test_a_level_is_a_threshold_or_a_number_of_things(kind: DistrustKind) -> None:
    distrust = Distrust(kind=kind, level=3.0, most=0)
    assert distrust.is_counted == (kind in ("median", *LOCATORS))
    assert distrust.is_of_deviations == (kind not in ("copies", "median", *LOCATORS))
    assert distrust.label.startswith(f"{kind} ")
    assert distrust.label.endswith(" 3")
    if distrust.is_counted:
        with pytest.raises(ValueError, match=rf"^`level` of '{kind}' must be whole, but got 2\.5\.$"):
            replace(distrust, level=2.5)
    else:
        assert replace(distrust, level=2.5).level == 2.5


def test_what_is_no_typical_answer_is_said_where_it_is_looked_at() -> None:
    assert "typical" not in to_json(DISTRUST)
    assert DISTRUST.label == "residuals beyond 4"
    assert replace(DISTRUST, typical=6.25).label == "residuals beyond 4, atypical beyond 2.5"


def test_the_limit_is_the_square_of_so_many_expected_deviations() -> None:
    assert DISTRUST.limit == 1.5 * 4.0**2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "astrology"}, r"^`kind` must be one of residuals, .*, rational, but got 'astrology'\.$"),
        *(
            ({name: value}, rf"^`{name}` must be positive and finite, but got {value}\.$")
            for name in ("level", "scale", "typical")
            for value in (0.0, -1.0, math.inf, math.nan)
        ),
        ({"most": -1}, r"^`most` must be at least 0, but got -1\.$"),
    ],
)
def test_a_distrust_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(DISTRUST, **change)


def test_shares_are_of_what_was_wrong_and_of_what_was_right() -> None:
    assert DETECTION.found_share == 0.75
    assert DETECTION.accused_share == 0.025
    nothing = replace(DETECTION, wrong=0, found=0, right=0, accused=0)
    assert math.isnan(nothing.found_share)
    assert math.isnan(nothing.accused_share)
    assert nothing.figures()["wrong_found_normal-10"] is nothing.figures()["wrong_accused_normal-10"] is None


def test_figures_name_the_kinds() -> None:
    figures = JUDGED.figures()
    assert figures["wrong_bound"] == 2
    assert figures["distrust_cost"] == JUDGED.cost
    assert figures["false_alarms"] == 0.004
    assert figures["wrong_found_nan"] == figures["wrong_found_normal-10"] == 0.75
    assert figures["wrong_ratio_nan"] is None
    assert figures["wrong_ratio_normal-10"] == DETECTION.ratio
    assert len(figures) == 5 + 2 * 7

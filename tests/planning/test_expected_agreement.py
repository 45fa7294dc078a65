"""The agreement of decoded queries, from that of all queries of a group."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nercc_tune.planning.expected_agreement import ExpectedAgreement
from nercc_tune.service.commands import Source, Tally
from nercc_tune.service.measured import SOURCES, Measured
from tests.planning.tables import AGREEMENTS, small_table

_BEARS = (0, 1, 2, 3, 0, 1, 2, 3, None, None, None, None)


def _share_without_copy(stragglers: int) -> float:
    """Count in all sets of stragglers the queries none of whose copies arrives."""
    sets = list(itertools.combinations(range(12), stragglers))
    without = [sum({query, query + 4} <= set(late) for query in range(4)) for late in sets]
    return sum(without) / (4 * len(sets))


def _measured(sources: list[Source | None], answers: list[int] | None) -> Measured:
    return Measured(
        scheme="coded",
        rate=1.0,
        seconds=1.0,
        latency_s=np.ones(len(sources)),
        sources=np.array([SOURCES.index(source) for source in sources], dtype=np.int8),
        tally=Tally(),
        answers=None if answers is None else np.array(answers, dtype=np.int32),
    )


@pytest.mark.parametrize("stragglers", [2, 4])
def test_all_that_is_wrong_is_wrong_with_queries_that_have_no_copy(stragglers: int) -> None:
    """Where copies always agree, the agreement over all queries comes out again."""
    expected = ExpectedAgreement.of(small_table(), _BEARS)
    share = _share_without_copy(stragglers)
    decoded = 1 - (1 - AGREEMENTS[stragglers]) / share
    assert expected.mean[12 - stragglers] == pytest.approx(max(0.0, decoded))
    assert expected.low[12 - stragglers] <= expected.mean[12 - stragglers] <= expected.high[12 - stragglers]


def test_without_own_answers_it_is_the_table_s() -> None:
    expected = ExpectedAgreement.of(small_table(), _BEARS, gives_own=False)
    for stragglers, agreement in AGREEMENTS.items():
        assert expected.mean[12 - stragglers] == pytest.approx(agreement)
    assert expected.mean[9] == pytest.approx(AGREEMENTS[4])  # three stragglers: the next larger count
    assert expected.mean[12] == pytest.approx(AGREEMENTS[1])


def test_from_fewer_answers_than_were_tuned_nothing_is_expected_to_agree() -> None:
    expected = ExpectedAgreement.of(small_table(), _BEARS)
    assert not expected.mean[:8].any()
    assert not expected.high[:8].any()


def test_own_answers_agree_and_refused_queries_do_not_count() -> None:
    expected = ExpectedAgreement.of(small_table(), (None,) * 12)
    measured = _measured([Source.OWN, Source.COPY, Source.DECODED, None], [1, 1, 10, 0])
    assert expected.share_of(measured) == pytest.approx((1 + 1 + AGREEMENTS[2]) / 3)
    assert expected.share_of(measured, bound="low") < expected.share_of(measured, bound="high")


@pytest.mark.parametrize(("sources", "answers"), [([Source.OWN], None), ([None], [0])])
def test_nothing_is_said_of_what_was_not_counted(sources: list[Source | None], answers: list[int] | None) -> None:
    with pytest.raises(ValueError, match="`measured` must hold answers"):
        ExpectedAgreement.of(small_table(), _BEARS).share_of(_measured(sources, answers))

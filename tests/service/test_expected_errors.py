"""What an estimate is expected to err."""

from __future__ import annotations

import math
from itertools import combinations

import pytest

from nercc_tune.service.expected_errors import ExpectedErrors


def test_the_error_is_that_of_the_next_larger_count_and_unknown_beyond_the_largest() -> None:
    errors = ExpectedErrors.of({1: 0.1, 3: 0.4}, [None] * 6, queries=2)
    assert errors.by_answers == (math.inf, math.inf, math.inf, 0.4, 0.4, 0.1, 0.1)
    assert errors({0, 2, 5}).tolist() == [0.4, 0.4]


def test_the_error_of_those_without_a_copy_is_larger_by_their_share() -> None:
    """Counted over all sets of answers."""
    bears = [0, 1, None, 0, None]
    sets = [set(each) for each in combinations(range(5), 3)]
    without = [sum(not any(bears[task] == query for task in each) for query in (0, 1)) / 2 for each in sets]
    share = sum(without) / len(sets)
    errors = ExpectedErrors.of({2: 0.1}, bears, queries=2)
    assert errors.by_answers[3] == pytest.approx(0.1 / share)
    assert errors.by_answers[5] == 0  # every query has a copy then
    assert ExpectedErrors.of({2: 0.1}, bears, queries=2, gives_own=False).by_answers[3] == 0.1

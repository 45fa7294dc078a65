"""Schemes: which workers there are, and what is refused."""

from __future__ import annotations

import pytest

from nercc_tune.service.rules import Answers, Deadline, ErrorBound
from nercc_tune.service.scheme import Hedge, Pool, Scheme, Task
from nercc_tune.service.schemes import coded, hedged, plain, replicated, with_parities


@pytest.mark.parametrize(
    ("scheme", "workers", "tasks"),
    [
        (plain(4), 4, 1),
        (replicated(4, copies=3), 4, 3),
        (hedged(4), 4, 2),
        (with_parities(2, ["parity-1"], workers=12, parity_workers=6), 18, 3),
        (coded(2, [0, 1, None], rule=Answers(count=2), each=2), 6, 3),
    ],
)
def test_workers_and_tasks_of_each_scheme(scheme: Scheme, workers: int, tasks: int) -> None:
    assert scheme.workers == workers
    assert len(scheme.tasks) == tasks


_POOL = Pool(workers=(0, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queries": 0}, "`queries` must be at least 1, but got 0"),
        ({"max_wait_s": float("nan")}, "`max_wait_s` must be at least 0 and finite, but got nan"),
        ({"pools": (_POOL, _POOL)}, r"once each, but got \[0, 0, 1, 1\]"),
        ({"tasks": (Task(pool=1, bears=0),)}, "`pool` must be one of 1 pools, but got 1"),
        ({"tasks": (Task(pool=0, bears=2),)}, "`bears` must be one of 1 queries, but got 2"),
        ({"tasks": (Task(pool=0, bears=0), Task(pool=0, bears=0, is_hedge=True))}, "`hedge` must say when"),
        ({"sends_at_once": True, "hedge": Hedge()}, "`hedge` must be None where queries are sent at once"),
        ({"gives_own": False}, "`rule` must say when to decode where own answers are not given"),
        ({"tasks": (Task(pool=0),)}, "`rule` must say when to decode where a query has no answer of its own"),
    ],
)
def test_a_scheme_that_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"name": "x", "queries": 1, "pools": (_POOL,), "tasks": (Task(pool=0, bears=0),)}
    with pytest.raises(ValueError, match=message):
        Scheme(**(given | change))  # type: ignore[arg-type]  # a wrong one


def test_other_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="`workers` must not be empty"):
        Pool(workers=())
    with pytest.raises(ValueError, match="`2 <= copies <= workers` must hold, but got 5 and 4"):
        replicated(4, copies=5)
    with pytest.raises(ValueError, match=r"`quantile` must be in \(0, 1\), but got 1.0"):
        Hedge(quantile=1.0)
    with pytest.raises(ValueError, match=r"`budget` must be in \(0, 1\], but got 0"):
        Hedge(budget=0)
    with pytest.raises(ValueError, match="`count` must be at least 1, but got 0"):
        Answers(count=0)
    with pytest.raises(ValueError, match="`seconds` must be positive and finite, but got 0"):
        Deadline(seconds=0, least=1, count=1)
    with pytest.raises(ValueError, match="`count` must be at least `least` = 3, but got 2"):
        Deadline(seconds=1, least=3, count=2)
    with pytest.raises(ValueError, match="`bound` must be positive, but got 0"):
        ErrorBound(expected=lambda _: None, bound=0)  # type: ignore[arg-type,return-value]  # never called

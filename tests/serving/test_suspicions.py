from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from nercc_tune import NerccCode, Suspicions, node_set
from nercc_tune.serving import WorkerRecord


def _of(groups: Sequence[tuple[Sequence[int], Sequence[int]]], *, workers: int = 4) -> Suspicions:
    suspicions = Suspicions(workers, false_alarms=0.01, gap=1000)
    for arrived, suspects in groups:
        suspicions.record(arrived, suspects)
    return suspicions


def _draw(count: int, workers: int, seed: int) -> list[tuple[list[int], list[int]]]:
    """Draw groups in which worker 0 is often distrusted, and the others seldom."""
    drawn = np.random.default_rng(seed)
    groups = []
    for _ in range(count):
        arrived = drawn.permutation(workers)[: drawn.integers(1, workers + 1)].tolist()
        groups.append((arrived, [worker for worker in arrived if drawn.random() < (0.3 if worker == 0 else 0.01)]))
    return groups


def test_answers_and_suspicions_are_counted() -> None:
    counts = _of([((0, 2), (2,)), ((2, 1), (2,)), ((0, 2), ())]).counts
    assert [(record.worker, record.answers, record.suspicions) for record in counts] == [
        (0, 2, 0),
        (1, 1, 0),
        (2, 3, 2),
        (3, 0, 0),
    ]


def test_a_worker_that_never_arrives_is_not_touched() -> None:
    untouched = WorkerRecord(worker=3, answers=0, suspicions=0, evidence=0.0, is_to_drain=False)
    assert _of([([0, 1, 2], [1])] * 50).counts[3] == untouched


def test_a_worker_that_is_always_distrusted_is_drained_at_once() -> None:
    assert _of([(range(4), [2])]).to_drain == ()
    assert _of([(range(4), [2])] * 2).to_drain == (2,)


def test_a_half_faulty_worker_is_found_among_healthy_ones() -> None:
    drawn = np.random.default_rng(0)
    suspicions = Suspicions(100, false_alarms=0.01)
    for _ in range(60):
        share = np.where(np.arange(100) == 17, 0.5, 0.01)
        suspicions.record(range(100), (drawn.random(100) < share).nonzero()[0])
    assert suspicions.to_drain == (17,)


def test_the_order_within_a_group_does_not_matter() -> None:
    groups = _draw(40, 6, seed=0)
    shuffled = [(arrived[::-1], sorted(suspects)) for arrived, suspects in groups]
    assert _of(groups, workers=6).to_json() == _of(shuffled, workers=6).to_json()


def test_workers_are_independent_of_each_other() -> None:
    groups = _draw(60, 5, seed=1)
    together = _of(groups, workers=5).counts
    for worker in range(5):
        own = [([worker], [worker] if worker in suspects else []) for arrived, suspects in groups if worker in arrived]
        assert _of(own, workers=5).counts[worker] == together[worker]


def test_arrived_may_be_a_mask_a_tensor_or_an_array() -> None:
    expected = _of([([0, 2], [2])]).to_json()
    for arrived in (torch.tensor([2, 0]), np.array([0, 2]), [True, False, True, False], torch.tensor([1, 0, 1, 0]) > 0):
        for suspects in ((2,), [2], np.array([2]), torch.tensor([2])):
            suspicions = Suspicions(4, false_alarms=0.01, gap=1000)
            suspicions.record(arrived, suspects)
            assert suspicions.to_json() == expected


def test_what_decode_returns_is_recorded() -> None:
    code = NerccCode(node_set("chebyshev", queries=3, workers=8), lambda_enc=0, lambda_dec=0)
    arrived = [0, 1, 2, 4, 6, 7]
    answers = code.encode(torch.arange(6.0).reshape(3, 2))[arrived]
    answers[3] = torch.nan
    suspicions = Suspicions(8, false_alarms=0.001)
    for _ in range(3):
        _, suspects = code.decode(answers, arrived, return_suspects=True)
        suspicions.record(arrived, suspects)
    assert suspicions.to_drain == (4,)


def test_trusted_answers_take_evidence_off_but_no_worker_off_the_list() -> None:
    suspicions = _of([([0], [0])] * 3)
    before = suspicions.counts[0].evidence
    assert before >= 1
    for _ in range(100):
        suspicions.record([0], [])
    assert suspicions.counts[0].evidence < min(before, 1)
    assert suspicions.to_drain == (0,)


def test_a_reset_worker_begins_anew_and_the_others_go_on() -> None:
    suspicions = _of([(range(4), [0, 2])] * 3)
    before = suspicions.counts
    suspicions.reset(2)
    assert suspicions.to_drain == (0,)
    assert suspicions.counts[2] == WorkerRecord(worker=2, answers=0, suspicions=0, evidence=0.0, is_to_drain=False)
    assert [suspicions.counts[worker] for worker in (0, 1, 3)] == [before[worker] for worker in (0, 1, 3)]


def test_json_gives_the_same_decisions_after_a_restart() -> None:
    first, second = _draw(30, 5, seed=2), _draw(30, 5, seed=3)
    running = _of(first, workers=5)
    restarted = Suspicions.from_json(running.to_json())
    assert (restarted.workers, restarted.test) == (5, running.test)
    for arrived, suspects in second:
        running.record(arrived, suspects)
        restarted.record(arrived, suspects)
        assert restarted.to_json() == running.to_json()
        assert (restarted.counts, restarted.to_drain) == (running.counts, running.to_drain)
    assert running.to_drain == (0,)


def test_threads_lose_nothing() -> None:
    suspicions = Suspicions(3, false_alarms=0.01)

    def run() -> None:
        for _ in range(200):
            suspicions.record([0, 1, 2], [1])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(record.answers, record.suspicions) for record in suspicions.counts] == [(800, 0), (800, 800), (800, 0)]


@pytest.mark.parametrize(
    ("arrived", "suspects", "match"),
    [
        ([0, 4], [], r"^`arrived` must hold worker numbers from 0 to 3, but got \[0, 4\]\.$"),
        ([], [], r"^`arrived` must name at least one worker, but got none\.$"),
        ([[0, 1], [2, 3]], [], r"^`arrived` must be of one group, but got shape \(2, 2\)\.$"),
        ([0, 1], [2], r"^`suspects` must be among the workers that arrived, but got \[2\]\.$"),
        ([0, 1], [9, -1], r"^`suspects` must be among the workers that arrived, but got \[-1, 9\]\.$"),
        ([0, 1], [1, 1], r"^`suspects` must name each worker once, but got \[1, 1\]\.$"),
        ([0, 1], [True, False], r"^`suspects` must hold worker numbers, but got \[True, False\]\.$"),
        ([0, 1], [0.0], r"^`suspects` must hold worker numbers, but got \[0\.0\]\.$"),
        ([0, 1], "01", r"^`suspects` must hold worker numbers, but got '01'\.$"),
        ([0, 1], [10**30], r"^`suspects` must hold worker numbers, but got \[10{30}\]\.$"),
    ],
)
def test_a_group_that_cannot_be_is_refused_and_changes_nothing(arrived: Any, suspects: Any, match: str) -> None:
    suspicions = _of([([0, 1], [1])])
    before = suspicions.to_json()
    with pytest.raises(ValueError, match=match):
        suspicions.record(arrived, suspects)
    assert suspicions.to_json() == before


@pytest.mark.parametrize("worker", [-1, 4, True, 1.0, "1"])
def test_an_unknown_worker_is_not_reset(worker: Any) -> None:
    with pytest.raises(ValueError, match=r"^`worker` must be a number from 0 to 3, but got "):
        _of([]).reset(worker)


def test_no_workers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^`workers` must be at least 1, but got 0\.$"):
        Suspicions(0, false_alarms=0.01)


def test_shares_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^`0 < false_alarms < faulty < 1` must hold, but got 0\.2 and 0\.1\.$"):
        Suspicions(3, false_alarms=0.2)


_WORKER = {"answers": 2, "suspicions": 1, "known": [0.5, 0.5, 0.5, 0.5], "is_to_drain": False}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"schema": "nercc-tune/suspicions/2"}, r"its field `schema` is wrong"),
        ({"extra": 1}, r"its field `extra` is wrong: Unexpected keyword argument"),
        ({"test": {"false_alarms": 0.2, "gap": 10.0, "faulty": 0.1}}, r"its field `test` is wrong: `0 < false_alarms"),
        ({"workers": []}, r"it is wrong: `workers` must be at least one, each with 4 values in `known`\.$"),
        ({"workers": [{**_WORKER, "known": [0.5]}]}, r"it is wrong: `workers` must be at least one"),
        ({"workers": [{**_WORKER, "suspicions": 3}]}, r"`workers\.0` is wrong: `0 <= suspicions <= answers"),
        ({"workers": [{**_WORKER, "answers": 2**70}]}, r"`workers\.0` is wrong: `0 <= suspicions <= answers"),
        ({"workers": [{**_WORKER, "answers": "2"}]}, r"`workers\.0\.answers` is wrong: Input should be a valid int"),
        ({"workers": [{**_WORKER, "is_to_drain": 1}]}, r"`workers\.0\.is_to_drain` is wrong"),
        ({"workers": [{**_WORKER, "known": [-1.0, 0.0, 0.0, 0.0]}]}, r"`workers\.0` is wrong: `known` must be at"),
        ({"workers": [{**_WORKER, "known": [float("nan")] * 4}]}, r"`workers\.0\.known\.0` is wrong"),
    ],
)
def test_json_of_something_else_is_refused(changes: dict[str, Any], match: str) -> None:
    kept = json.loads(_of([]).to_json())
    assert Suspicions.from_json(json.dumps({**kept, "workers": [_WORKER]})).counts[0].answers == 2
    with pytest.raises(ValueError, match=rf"^`text` must be what `to_json` gave, but .*{match}"):
        Suspicions.from_json(json.dumps({**kept, **changes}))


def test_json_that_was_cut_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^`text` must be what `to_json` gave, but it is wrong: Invalid JSON"):
        Suspicions.from_json(_of([]).to_json()[:-3])

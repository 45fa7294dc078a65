from __future__ import annotations

from nercc_tune.tracking.retries import Retries


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def fail(retries: Retries, *, sent: int = 0, took_s: float = 0.1, is_closing: bool = False) -> float:
    retries.failed(sent=sent, took_s=took_s, is_closing=is_closing)
    return retries.pause_s


def test_pauses_grow_up_to_half_a_minute() -> None:
    retries = Retries(clock=Clock())
    assert [fail(retries) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_progress_begins_anew() -> None:
    retries = Retries(clock=Clock())
    assert [fail(retries, sent=sent) for sent in (0, 0, 0, 1, 1, 2)] == [1, 2, 4, 1, 2, 1]


def test_the_end_begins_anew_and_four_refusals_are_enough() -> None:
    retries = Retries(clock=Clock())
    assert [fail(retries) for _ in range(6)][-1] == 30
    pauses: list[float] = []
    while not retries.are_exhausted or not pauses:
        pauses.append(fail(retries, is_closing=True))
    assert pauses == [1, 2, 4, 8]


def test_a_silent_store_gets_a_minute_without_progress() -> None:
    clock = Clock()
    retries = Retries(clock=clock)
    for sent in (0, 0, 0, 1, 1, 1):
        clock.now_s += 20
        fail(retries, sent=sent, took_s=20, is_closing=True)
        assert not retries.are_exhausted
    clock.now_s += 21
    fail(retries, sent=1, took_s=21, is_closing=True)
    assert retries.are_exhausted

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

from nercc_tune.errors import StorageError
from nercc_tune.tuning import Patience, patience
from nercc_tune.tuning.patience import failing_as

URL = "postgresql://ann:s3cret@db:5432/optuna"
SHOWN = re.escape("postgresql://ann:***@db:5432/optuna")


@dataclass
class Clock:
    """Stands still except while somebody sleeps or works."""

    now: float = 100.0
    pauses: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


def _gone() -> StorageInternalError:
    """Return what Optuna raises of a database that went away, with its cause."""
    error = StorageInternalError("An exception is raised during the commit.")
    said = psycopg.OperationalError("server closed the connection\n\tunexpectedly; the password is s3cret.\n")
    error.__cause__ = OperationalError("SELECT 1", {}, said)
    return error


def _failing(*errors: Exception | None, answer: int = 42, spend: Callable[[int], None] = lambda _: None) -> Action:
    return Action(list(errors), answer, spend)


@dataclass
class Action:
    """Fails in turn with each error; None is a success."""

    errors: list[Exception | None]
    answer: int
    spend: Callable[[int], None]
    calls: int = 0

    def __call__(self) -> int:
        self.calls += 1
        self.spend(self.calls)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return self.answer


def test_what_works_is_run_once_and_told_to_nobody(clock: Clock) -> None:
    told: list[str] = []
    action = _failing()
    assert Patience(url=URL, retry_s=1, notify=told.append)(action) == 42
    assert (action.calls, clock.pauses, told) == (1, [], [])


def test_what_fails_is_tried_again_with_longer_and_longer_pauses(clock: Clock) -> None:
    told: list[str] = []
    action = _failing(*[_gone() for _ in range(9)])
    assert Patience(url=URL, retry_s=60, notify=told.append)(action) == 42
    assert action.calls == 10
    assert clock.pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])
    reason = "server closed the connection unexpectedly; the password is ***"
    failure = f"the storage postgresql://ann:***@db:5432/optuna failed ({reason}); trying again"
    assert told == [failure, "the storage is back"]


def test_after_the_time_it_gives_up_in_one_line_without_the_password(clock: Clock) -> None:
    action = _failing(*[_gone() for _ in range(99)])
    message = (
        rf"^the Optuna storage {SHOWN} failed for 7 s \(server closed the connection unexpectedly; the password is "
        r"\*\*\*\); what was finished is in it: once it works, the same command goes on\.$"
    )
    with pytest.raises(StorageError, match=message) as raised:
        Patience(url=URL, retry_s=7)(action)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert 107 <= clock.now < 107 + patience._LONGEST_PAUSE_S


def test_without_patience_it_gives_up_at_once(clock: Clock) -> None:
    action = _failing(_gone())
    with pytest.raises(StorageError, match="failed for 0 s"):
        Patience(url=URL, retry_s=0)(action)
    assert (action.calls, clock.pauses) == (1, [])


def test_an_attempt_that_works_for_long_starts_a_new_count(clock: Clock) -> None:
    """An action of hours that fails every hour for a moment is no storage that is away."""

    def work(call: int) -> None:
        clock.now += 10.5 if call in (4, 7) else 0

    told: list[str] = []
    action = _failing(*[_gone() for _ in range(10)], spend=work)
    assert Patience(url=URL, retry_s=10, notify=told.append)(action) == 42
    assert clock.pauses == pytest.approx([0.1, 0.2, 0.4, 0.1, 0.2, 0.4, 0.1, 0.2, 0.4, 0.8])
    assert len(told) == 4
    assert told[-1] == "the storage is back"


def test_short_attempts_start_no_new_count(clock: Clock) -> None:
    def work(_: int) -> None:
        clock.now += 4

    action = _failing(*[_gone() for _ in range(99)], spend=work)
    with pytest.raises(StorageError, match="failed for 10 s"):
        Patience(url=URL, retry_s=10)(action)
    assert action.calls <= 4


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError, DBAPIError, ProgrammingError])
def test_what_sqlalchemy_raises_counts_too(kind: type[DBAPIError], clock: Clock) -> None:
    assert Patience(url=URL, retry_s=1)(_failing(kind("SELECT 1", {}, Exception("away")))) == 42
    assert len(clock.pauses) == 1


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), KeyboardInterrupt("x"), StorageError("x")])
def test_other_errors_pass_through(error: BaseException, clock: Clock) -> None:
    def fail() -> int:
        raise error

    with pytest.raises(type(error), match="x"):
        Patience(url=URL, retry_s=60)(fail)
    assert clock.pauses == []


def test_a_long_reason_is_cut(clock: Clock) -> None:
    error = StorageInternalError("a" * 1000)
    with pytest.raises(StorageError, match=r"\(a{200}\)"):
        Patience(url=URL, retry_s=0)(_failing(error))
    assert clock.pauses == []


def test_a_block_fails_at_once_in_one_line() -> None:
    with pytest.raises(StorageError, match=rf"the Optuna storage {SHOWN} failed \(server closed .*\); what"):  # noqa: SIM117
        with failing_as(URL):
            raise _gone()
    with pytest.raises(KeyError, match="x"), failing_as(URL):
        raise KeyError("x")

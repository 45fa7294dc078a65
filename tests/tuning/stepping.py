"""Workers whose steps in a storage are taken one at a time, in an order that a test chooses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from optuna.storages import BaseStorage

STEPS = ("create_new_trial", "get_all_trials", "get_trial", "set_trial_state_values", "set_trial_user_attr")
_SECONDS = 10


class Stepper:
    """Runs an action in a thread that waits before each call of a storage."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._go, self._halt = threading.Semaphore(0), threading.Semaphore(0)
        self._action = action
        self._error: BaseException | None = None
        self.is_done = False
        self.is_inside = False  # of a call, which may make others under a lock
        self._thread = threading.Thread(target=self._run, daemon=True)
        _steppers[self._thread] = self
        self._thread.start()
        self.step()

    def step(self) -> None:
        """Let it do one call, up to the next; nothing if it has ended."""
        if self.is_done:
            return
        self._go.release()
        assert self._halt.acquire(timeout=_SECONDS)
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Let it go on undisturbed to its end."""
        while not self.is_done:
            self.step()

    def wait(self) -> None:
        """Halt before a call; called in its own thread."""
        self._halt.release()
        assert self._go.acquire(timeout=_SECONDS)

    def _run(self) -> None:
        assert self._go.acquire(timeout=_SECONDS)
        try:
            self._action()
        except BaseException as error:  # noqa: BLE001 - raised where it is stepped
            self._error = error
        del _steppers[self._thread]
        self.is_done = True
        self._halt.release()


_steppers: dict[threading.Thread, Stepper] = {}


def stepped(storage: BaseStorage) -> BaseStorage:
    """Return a storage that halts the threads of steppers before each call."""
    for name in STEPS:
        setattr(storage, name, _halting(getattr(storage, name)))
    return storage


def run_in_order(workers: Iterable[Stepper], order: Iterable[int]) -> None:
    """Take the steps in an order of the workers' numbers, and then let each go on to its end."""
    all_of_them = list(workers)
    for number in order:
        all_of_them[number].step()
    for worker in all_of_them:
        worker.finish()


def _halting(call: Callable[..., Any]) -> Callable[..., Any]:
    def halt(*arguments: Any, **options: Any) -> Any:
        stepper = _steppers.get(threading.current_thread())
        if stepper is None or stepper.is_inside:
            return call(*arguments, **options)
        stepper.wait()
        stepper.is_inside = True
        try:
            return call(*arguments, **options)
        finally:
            stepper.is_inside = False

    return halt

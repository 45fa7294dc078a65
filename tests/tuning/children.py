"""Processes that tests start and kill: a forked one is there in milliseconds, and sees what the test has made."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import torch

_CONTEXT = multiprocessing.get_context("fork")
_SECONDS = 60


def die() -> None:
    """End this process as the system does when memory runs out: nothing is tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


def run_killed(action: Callable[[], object]) -> None:
    """Run an action in a child process that must kill itself."""
    child = _CONTEXT.Process(target=_alone, args=(action,))
    child.start()
    child.join(_SECONDS)
    assert child.exitcode == -signal.SIGKILL


def run_all(*actions: Callable[[], Any]) -> list[Any]:
    """Run each action in a child process, all at once, and return what they return."""
    pipes = [_CONTEXT.Pipe(duplex=False) for _ in actions]
    gate = _CONTEXT.Barrier(len(actions))

    def run(action: Callable[[], Any], answer: Connection) -> None:
        gate.wait(_SECONDS)
        answer.send(action())

    children = [
        _CONTEXT.Process(target=_alone, args=(run, action, answer))
        for action, (_, answer) in zip(actions, pipes, strict=True)
    ]
    for child in children:
        child.start()
    for _, answer in pipes:
        answer.close()
    results = [question.recv() for question, _ in pipes]
    for child in children:
        child.join(_SECONDS)
        assert child.exitcode == 0
    return results


@contextmanager
def held(action: Callable[[], Any]) -> Iterator[tuple[int, Any]]:
    """Keep a child process alive inside the block, after its action; yield its number and what the action returned."""
    question, answer = _CONTEXT.Pipe()

    def hold() -> None:
        answer.send(action())
        answer.recv()

    child = _CONTEXT.Process(target=_alone, args=(hold,))
    child.start()
    try:
        yield child.pid or 0, question.recv()
    finally:
        child.kill()
        child.join(_SECONDS)


def _alone(action: Callable[..., object], *arguments: object) -> None:
    torch.set_num_threads(1)  # threads of the parent are not there after a fork
    action(*arguments)

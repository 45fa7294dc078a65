from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.records import from_json, to_json
from nercc_tune.tuning import holder
from nercc_tune.tuning.holder import Holder
from tests.tuning.children import held


@pytest.fixture
def child() -> Iterator[Holder]:
    """Return a child process that lives."""
    with held(Holder.here) as (_, child):
        yield child


def _file(folder: Path, pid: int, *, name: str = "python", state: str = "S", started: str = "77") -> None:
    """Write what Linux tells of a process: field 22, counted from 1, is its start."""
    (folder / str(pid)).mkdir(parents=True)
    between = " ".join(str(number) for number in range(4, 22))
    (folder / str(pid) / "stat").write_text(f"{pid} ({name}) {state} {between} {started} 23 24\n", encoding="utf-8")


def test_this_process_lives() -> None:
    me = Holder.here()
    assert (me.pid, me.host) == (os.getpid(), socket.gethostname())
    assert int(me.started) > 0
    assert me == Holder.here()
    assert not me.is_gone


def test_another_process_lives_until_it_is_killed(child: Holder) -> None:
    assert child.pid != os.getpid()
    assert child.machine == Holder.here().machine
    assert not child.is_gone


def test_a_dead_process_is_gone() -> None:
    with held(Holder.here) as (pid, child):
        assert child.pid == pid
        assert not child.is_gone
    assert child.is_gone


def test_a_zombie_is_gone(child: Holder) -> None:
    """It has ended, but its parent has not asked how."""
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    os.kill(child.pid, 0)  # its number is still taken
    assert child.is_gone


def test_a_number_that_is_used_again_is_another_process(child: Holder) -> None:
    assert replace(child, started=str(int(child.started) - 1)).is_gone


def test_another_machine_is_not_judged() -> None:
    with held(Holder.here) as (_, child):
        pass
    assert child.is_gone
    assert not replace(child, machine="another boot/4026531836").is_gone
    assert not replace(child, machine="").is_gone


def test_where_the_machine_cannot_be_told_nobody_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "_PROCESSES", tmp_path)
    monkeypatch.setattr(holder, "_machine", holder._machine.__wrapped__)
    me = Holder.here()
    assert (me.machine, me.started) == ("", "")
    assert not me.is_gone
    assert not replace(me, pid=2**22 + 1).is_gone


def test_what_a_system_hides_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems hide the processes of other users; and a process may run out of files that it can open."""
    me = Holder.here()
    monkeypatch.setattr(holder, "_PROCESSES", tmp_path)
    assert not me.is_gone


@pytest.mark.parametrize("state", ["S", "R", "D", "T", "I"])
def test_a_process_may_do_anything_and_have_any_name(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = Holder.here()
    _file(tmp_path, me.pid, name="a) Z (b", state=state)
    monkeypatch.setattr(holder, "_PROCESSES", tmp_path)
    assert me.is_gone  # it started at another time
    assert not replace(me, started="77").is_gone


@pytest.mark.parametrize("state", ["Z", "X"])
def test_remains_are_gone(state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = replace(Holder.here(), started="77")
    _file(tmp_path, me.pid, state=state)
    monkeypatch.setattr(holder, "_PROCESSES", tmp_path)
    assert me.is_gone


def test_the_start_of_a_process_is_that_which_linux_tells() -> None:
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    assert Holder.here().started == fields[22 - 3]


def test_processes_of_one_system_are_on_each_other() -> None:
    me = replace(Holder.here(), machine="boot/1")
    assert me.is_on(replace(me, machine="boot/2", host="container"))
    assert not me.is_on(replace(me, machine="another/1"))
    unknown = replace(me, machine="")
    assert unknown.is_on(replace(unknown, pid=1))
    assert not unknown.is_on(replace(unknown, host="other"))
    assert not unknown.is_on(me)


def test_a_holder_is_written_and_read_back() -> None:
    me = Holder.here()
    assert from_json(Holder, to_json(me)) == me
    assert str(replace(me, pid=7, host="box")) == "process 7 on box"

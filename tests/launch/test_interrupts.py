"""Interrupts that come where Python can raise nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

_BEGIN = """
import time, weakref
from nercc_tune.launch.interrupts import keep_interrupts

class Forgotten: pass

def forget(error):
    def raise_(_): raise error
    thing = Forgotten()
    kept.append(weakref.ref(thing, raise_))

kept = []
keep_interrupts()
"""


def _shown(program: str) -> tuple[str, str]:
    done = subprocess.run(  # noqa: S603 - the program is written here
        [sys.executable, "-c", _BEGIN + program], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("times", [1, 3])
def test_an_interrupt_as_a_weak_reference_dies_is_raised_soon_after_and_not_shown(times: int) -> None:
    program = f"""
for _ in range({times}):
    try:
        forget(KeyboardInterrupt())
        time.sleep(30)
    except KeyboardInterrupt:
        print("interrupted")
"""
    assert _shown(program) == ("interrupted\n" * times, "")


def test_other_errors_are_shown_as_ever() -> None:
    shown, told = _shown("forget(ValueError('odd'))\nprint('on')")
    assert shown == "on\n"
    assert told.startswith("Exception ignored in")
    assert told.endswith("ValueError: odd\n")

from __future__ import annotations

import io

from rich.console import Console

from nercc_tune.terminal import adding_progress


def _printed(*, is_terminal: bool) -> str:
    shown = io.StringIO()
    with adding_progress(Console(file=shown, force_terminal=is_terminal, width=80)) as on_added:
        for done in range(1, 4):
            on_added(done, 3)
    return shown.getvalue()


def test_a_terminal_shows_how_many_runs_were_added() -> None:
    assert "adding runs" in _printed(is_terminal=True)
    assert "3/3" in _printed(is_terminal=True)


def test_elsewhere_nothing_is_printed() -> None:
    assert not _printed(is_terminal=False).strip()

from __future__ import annotations

import io
import os
import pty
import threading
from dataclasses import replace

from rich.console import Console

from nercc_tune.spec import StudySpec
from nercc_tune.terminal import LaunchProgress
from tests.builders import START_MS, cell, pruned, study_history, trial
from tests.terminal.test_standing import Clock, spec_with


def _console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=120, height=40, force_terminal=is_terminal, color_system=None)


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _search(progress: LaunchProgress, clock: Clock, *, proposals: int, cells: tuple[int, ...] = (20, 40)) -> None:
    for number in range(proposals):
        clock.now += 3
        for count in cells:
            progress.events.trial(trial(cell(count), number, 0.5 / (1 + number)))
        progress.events.proposal(number + 1, 12)


def _draw(spec: StudySpec, clock: Clock, **how: object) -> str:
    """Return the last picture of the live display."""
    console = _console(is_terminal=True)
    progress = LaunchProgress(console, spec, clock=clock)
    progress.events.stage("searching")
    _search(progress, clock, **how)  # type: ignore[arg-type]  # as given
    console.print(progress._draw())
    return _text(console)


def test_elsewhere_than_in_a_terminal_it_is_plain_lines() -> None:
    console, clock = _console(is_terminal=False), Clock()
    with LaunchProgress(console, spec_with(), clock=clock) as progress:
        progress.events.stage("searching")
        progress.events.trial(replace(trial(cell(20), 0, None), reason="[bold] not finite"))
        _search(progress, clock, proposals=12)
        progress.events.notice("MLflow is away")
    lines = _text(console).splitlines()
    assert lines[:2] == ["searching", "trial lenet5-mnist/K50-N200-S20#0 failed: [bold] not finite"]
    assert lines[2] == (
        "10/12 proposals, best mse S=20 0.05  S=40 0.05, about 6 s left, "
        "10 forward passes for 21 trials (11 saved by reuse)"
    )
    assert lines[3].startswith("12/12 proposals, best mse S=20 0.04167  S=40 0.04167, 12 forward passes for 25")
    assert lines[4:] == ["MLflow is away"]


def test_a_line_is_printed_when_ten_are_passed_at_once() -> None:
    console = _console(is_terminal=False)
    with LaunchProgress(console, spec_with()) as progress:
        for done in (7, 9, 13, 15, 22, 40):
            progress.events.proposal(done, 40)
    assert [line.partition("/")[0] for line in _text(console).splitlines()] == ["13", "22", "40"]


def test_many_cells_are_named_up_to_eight() -> None:
    console, clock = _console(is_terminal=False), Clock()
    with LaunchProgress(console, spec_with(), clock=clock) as progress:
        _search(progress, clock, proposals=10, cells=tuple(range(10, 21)))
    (line,) = _text(console).splitlines()
    assert "S=17 0.05  and 3 more, about" in line
    assert "S=18" not in line
    picture = _draw(spec_with(), Clock(), proposals=2, cells=tuple(range(10, 21)))
    rows = [row.split() for row in picture.splitlines()]
    assert [row[0] for row in rows if len(row) == 4 and row[0].isdigit()] == [str(count) for count in range(10, 18)]
    assert "and 3 more" in picture


def test_the_display_shows_bar_time_left_best_pairs_and_passes() -> None:
    picture = _draw(spec_with(), Clock(), proposals=4).splitlines()
    assert "searching" in picture[0]
    assert "4/12 proposals" in picture[0]
    assert "about 24 s left" in picture[0]
    assert picture[1].split() == ["S", "best", "mse", "λ_enc", "λ_dec"]
    assert picture[2].split() == ["20", "0.125", "3.30e-07", "9.00e-09"]
    assert picture[-1].strip() == "4 forward passes for 8 trials (4 saved by reuse)"


def test_the_display_names_codes_where_they_are_searched_and_the_error_of_two_goals() -> None:
    picture = _draw(spec_with(orderings=["arrival", "nearest-neighbour"]), Clock(), proposals=1)
    assert "chebyshev, probabilities" in picture
    assert "best prob_mse" in _draw(spec_with(objective="pareto", strategy="joint"), Clock(), proposals=1)


def test_no_time_is_left_once_all_is_done() -> None:
    assert "left" not in _draw(spec_with(), Clock(), proposals=12)


def test_the_display_is_there_before_anything_is_known() -> None:
    console = _console(is_terminal=True)
    console.print(LaunchProgress(console, spec_with())._draw())
    assert _text(console).split()[1] == "starting"
    assert len(_text(console).splitlines()) == 1


def test_earlier_launches_count() -> None:
    console = _console(is_terminal=True)
    progress = LaunchProgress(console, spec_with())
    history = study_history(stragglers=(20, 40), is_judged=False)
    progress.events.begun(history)
    record = history.cells[0].trials[0]
    progress.events.trial(pruned(replace(record, uid=f"{history.cells[0].cell.name}#11", started_ms=START_MS)))
    console.print(progress._draw())
    assert "11 forward passes for 23 trials (11.3 saved by reuse)" in _text(console)


def test_a_worker_shows_bar_and_time_only() -> None:
    console, clock = _console(is_terminal=False), Clock()
    with LaunchProgress(console, spec_with(), clock=clock) as progress:
        progress.worker_events.stage("loading")
        progress.worker_events.ready()
        for done in (30, 31, 40):
            clock.now += 10
            progress.worker_events.proposal(done, 100)
    assert _text(console).splitlines() == [
        "loading",
        "searching",
        "30/100 proposals",
        "40/100 proposals, about 2 min 00 s left",
    ]


def test_in_a_real_terminal_it_is_drawn_in_place_and_taken_away() -> None:
    master, slave = pty.openpty()
    read: list[bytes] = []

    def drain() -> None:
        try:
            while chunk := os.read(master, 65536):
                read.append(chunk)
        except OSError:
            return  # the other end is closed

    reader = threading.Thread(target=drain)
    reader.start()
    with os.fdopen(slave, "w", encoding="utf-8") as file:
        console, clock = Console(file=file, width=100, height=30, _environ={"TERM": "xterm"}), Clock()
        assert console.is_terminal
        with LaunchProgress(console, spec_with(), clock=clock) as progress:
            progress.events.stage("searching")
            _search(progress, clock, proposals=3)
            progress.events.notice("MLflow is away")
            progress._live.refresh()
        console.print("done")
    reader.join()
    os.close(master)
    text = b"".join(read).decode()
    assert "3 forward passes for 6 trials" in text
    assert "3/12 proposals" in text
    assert "about 27 s left" in text
    assert "MLflow is away" in text
    assert "\x1b[1A\x1b[2K" in text, "the display is taken away again"
    assert text.rstrip().endswith("done")


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, _environ={"TERM": "dumb"})
    with LaunchProgress(console, spec_with()) as progress:
        progress.events.stage("searching")
    assert _text(console) == "searching\n"

from __future__ import annotations

import pytest

from nercc_tune import errors
from nercc_tune.errors import CrewError, NerccTuneError
from nercc_tune.launch.crews.crew import FalseStarts, report_of, to_error

AT_MOST = 25


def _false_starts(*, workers: int = 1) -> tuple[FalseStarts, list[str]]:
    told: list[str] = []
    return FalseStarts(told.append, workers=workers), told


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_that_never_begin_end_the_launch(workers: int) -> None:
    starts, told = _false_starts(workers=workers)
    for _ in range(workers * AT_MOST - 1):
        starts.see_death("SIGKILL", was_ready=False)
    assert set(told) == {"a search worker died (SIGKILL); another one takes its place"}
    assert len(told) == workers * AT_MOST - 1
    expected = (
        rf"^{workers * AT_MOST} search workers in a row died before they had loaded the model "
        r"\(the last one: SIGSEGV\); the memory may not suffice for so many: lower --workers\.$"
    )
    with pytest.raises(CrewError, match=expected):
        starts.see_death("SIGSEGV", was_ready=False)


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_worker_that_was_ready_starts_the_count_again(is_announced: bool) -> None:
    starts, told = _false_starts()
    for _ in range(4):
        for _ in range(AT_MOST - 1):
            starts.see_death("SIGKILL", was_ready=False)
        if is_announced:
            starts.see_ready()
        else:
            starts.see_death("SIGKILL", was_ready=True)
    assert len(told) == 4 * (AT_MOST - 1 if is_announced else AT_MOST)


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_is_read_back_as_it_was_reported(name: str) -> None:
    error = getattr(errors, name)("one line: with a colon, and more.")
    kind, _, text = report_of(error).partition(" ")
    found = to_error(kind, text)
    assert type(found) is type(error)
    assert str(found) == str(error)


def test_what_is_no_error_of_the_package_is_one_of_the_crew() -> None:
    report = report_of(RuntimeError("mat1 and mat2\n  cannot be multiplied"))
    kind, _, text = report.partition(" ")
    found: NerccTuneError = to_error(kind, text)
    assert type(found) is CrewError
    assert str(found) == "a search worker failed on RuntimeError: mat1 and mat2 cannot be multiplied"


def test_an_error_of_another_version_is_one_of_the_crew() -> None:
    assert type(to_error("BrandNewError", "text")) is CrewError

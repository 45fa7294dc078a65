"""What cannot be meant is one line that says how to mend it, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import TINY
from tests.program import assert_one_line, run_program


def _edit(old: str, new: str) -> None:
    assert old in TINY
    Path("tiny.toml").write_text(TINY.replace(old, new), encoding="utf-8")


_BAD_FILES = {
    "an unknown key": ("trials = 6", "trails = 6", "unknown key `search.trails`; did you mean `trials`?"),
    "a wrong type": ("trials = 6", 'trials = "six"', "`search.trials`: it must be a whole number, but got 'six'."),
    "S >= N": ("stragglers = [2, 4]", "stragglers = [12]", "`stragglers < workers` must hold"),
    "K < 2": ("queries = 5", "queries = 1", "`code.queries`: it must be greater than or equal to 2, but got 1."),
    "N < K": ("workers = 12", "workers = 4", "`workers >= queries` must hold"),
    "a negative λ": ("lambda_enc = { low = 1e-8", "lambda_enc = { low = -1e-8", "`search.lambda_enc.low`"),
    "a NaN λ": ("lambda_dec = { low = 1e-8", "lambda_dec = { low = nan", "`search.lambda_dec.low`"),
    "low > high": ("lambda_enc = { low = 1e-8", "lambda_enc = { low = 2.0", "`low < high` must hold"),
    "no TOML": ("[code]", "[code", "is not valid TOML"),
    "too few images": ("tuning_groups = 3", "tuning_groups = 300", "`digits` has 200 queries"),
    "unknown nodes": ("workers = 12", 'workers = 12\nnodes = "random"', "`nodes` must be one of"),
}


@pytest.mark.parametrize("case", _BAD_FILES)
def test_a_bad_study_file_is_one_line_and_exit_code_2(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, message = _BAD_FILES[case]
    _edit(old, new)
    assert run_program(monkeypatch, "launch", "tiny.toml") == 2
    assert_one_line(capsys.readouterr().err, message)
    assert [path.name for path in Path().iterdir()] == ["tiny.toml"]


_BAD_COMMANDS = {
    "a missing file": (["launch", "absent.toml"], "there is no study file `absent.toml`"),
    "a bad override": (["launch", "tiny.toml", "--set", "search.trials"], "an override must look like"),
    "an unknown override": (["launch", "tiny.toml", "--set", "serach.trials=1"], "did you mean `search`?"),
    "a storage out of reach": (
        ["launch", "tiny.toml", "--set", "storage.url=postgresql://a:secret@127.0.0.1:9/x"],
        "cannot use the Optuna storage postgresql://a:***@127.0.0.1:9/x",
    ),
    "a tracking store out of reach": (
        ["launch", "tiny.toml", "--set", "tracking.url=http://127.0.0.1:9"],
        "the tracking store `http://127.0.0.1:9` cannot be reached",
    ),
    "an export of nothing": (["export", "tiny"], "run `nercc-tune launch` first"),
    "an advice on nothing": (["advise", "tiny"], "run `nercc-tune launch` first"),
    "a report of nothing": (["report", "tiny"], "run `nercc-tune launch` first"),
    "a sync of nothing": (["sync", "tiny"], "run `nercc-tune launch` first"),
    "an unknown training": (["train", "lenet6"], "lenet6"),
}


_BAD_USAGE = {
    "a number out of range": (["launch", "tiny.toml", "--workers", "0"], "'--workers': it must be", "launch"),
    "a word for a number": (["launch", "tiny.toml", "--workers", "two"], "'--workers': it must be", "launch"),
    "an unknown option": (["studies", "--bogus"], "No such option: --bogus", "studies"),
    "a misspelt option": (["launch", "tiny.toml", "--wrokers", "2"], "--workers", "launch"),
    "a missing argument": (["export"], "Missing argument 'STUDY'", "export"),
    "one argument too many": (["advise", "a", "b"], "unexpected extra argument", "advise"),
    "an unknown format": (["report", "tiny", "-f", "gif"], "'gif' is not one of 'png', 'svg', 'pdf'", "report"),
    "a missing value": (["export", "tiny", "-o"], "requires an argument", ""),
}


@pytest.mark.parametrize("case", _BAD_USAGE)
def test_bad_usage_is_one_line_with_a_hint_and_exit_code_2(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message, command = _BAD_USAGE[case]
    assert run_program(monkeypatch, *arguments) == 2
    shown = capsys.readouterr()
    assert_one_line(shown.err, message)
    assert shown.err.endswith(f"; see `{' '.join(['nercc-tune', *command.split()])} --help`.\n")
    assert not shown.out


def test_an_unknown_command_is_one_line_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(monkeypatch, "lunch") == 2
    assert_one_line(capsys.readouterr().err, "No such command 'lunch'")


def test_without_a_command_the_help_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(monkeypatch) == 2
    shown = capsys.readouterr()
    assert "launch" in shown.out
    assert not shown.err


@pytest.mark.parametrize("case", _BAD_COMMANDS)
def test_a_bad_command_is_one_line_and_exit_code_2(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = _BAD_COMMANDS[case]
    assert run_program(monkeypatch, *arguments) == 2
    shown = capsys.readouterr().err
    assert_one_line(shown, message)
    assert "secret" not in shown
    assert [path.name for path in Path().iterdir()] == ["tiny.toml"]


def test_two_formats_contradict_each_other(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(monkeypatch, "export", "tiny", "--json", "--format", "csv") == 2
    assert_one_line(capsys.readouterr().err, "`--json` contradicts `--format csv`; give one of them.")

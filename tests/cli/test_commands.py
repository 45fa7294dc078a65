from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import nercc_tune
from nercc_tune.cli import app
from nercc_tune.export.advice import advise
from nercc_tune.export.table import parse_table
from nercc_tune.records import CODE_NAMES
from tests.fakes import finished_home, finished_result, tiny_home
from tests.program import assert_one_line, run_program

COMMANDS = (
    "launch", "worker", "dashboard", "export", "promote", "advise", "compare", "plan", "serve", "bench",
    "report", "train", "sync", "studies", "doctor",
)  # fmt: skip


def test_the_version_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == nercc_tune.__version__


def test_every_command_is_listed() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    for command in COMMANDS:
        assert command in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"nercc-tune {command}" in shown.output.partition("Example")[2]


@pytest.mark.slow
def test_a_launch_shows_the_table_and_what_to_type_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_home(Path("home"))
    command = ["launch", "tiny.toml", "--home", "home", "--set", "search.trials=2", "--profile"]
    assert run_program(monkeypatch, *command) == 0
    shown = capsys.readouterr().out
    assert "4/4 proposals, best mse S=2" in shown
    assert "tiny: tuned codes on held-out queries" in shown
    assert "policy: chebyshev, probabilities, λ_enc" in shown
    assert "expected over S: policy " in shown
    assert "where the time went" in shown
    assert all(f"│ {stage} " in shown for stage in ("imports", "warm-up", "judging", "other"))
    assert "nercc-tune export tiny --home home -o table.json" in shown
    assert Path("home/studies/tiny/table.json").is_file()


def test_the_home_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    monkeypatch.setenv("NERCC_TUNE_HOME", "home")
    assert run_program(monkeypatch, "studies") == 0
    assert "tiny" in capsys.readouterr().out


def test_ctrl_c_ends_with_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", interrupt)
    assert run_program(monkeypatch, "launch", "tiny.toml") == 130
    assert capsys.readouterr().err.strip() == "interrupted; the same command goes on from here"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("table.json", b'{\n  "schema": "nercc-tune/table/2"'),
        ("table.csv", b"study,table_digest,"),
        ("table.parquet", b"PAR1"),
        ("table.md", b"## tiny"),
        ("table.tex", b"\\begin{table"),
    ],
)
def test_the_table_is_exported_in_every_format(name: str, start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "export", "tiny", "--home", "home", "-o", f"new/{name}") == 0
    assert (Path("new") / name).read_bytes().startswith(start)


def test_the_table_is_exported_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "export", "tiny.toml", "--home", "home") == 0
    sys.stdout.flush()
    assert parse_table(capfdbinary.readouterr().out.decode()) == finished_result().table


def test_a_format_is_named_where_the_suffix_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "export", "tiny", "--home", "home", "-o", "table.txt", "-f", "csv") == 0
    assert Path("table.txt").read_text(encoding="utf-8").startswith("study,")


def test_a_suffix_that_tells_no_format_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "export", "tiny", "--home", "home", "-o", "table.txt") == 2
    assert_one_line(capsys.readouterr().err, "`path` must end in one of .json, .csv")
    assert not Path("table.txt").exists()


def test_the_advice_names_a_code_for_each_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "advise", "tiny.toml", "--home", "home") == 0
    shown = capsys.readouterr().out
    for advice in advise(finished_result().table):
        (row,) = [line for line in shown.splitlines() if line.startswith(f"│ {advice.stragglers} ")]
        assert row.rstrip(" │").endswith(CODE_NAMES[advice.best] + ("" if advice.is_certain else ", probably"))
    for title in ("tuned NeRCC", "BACC", "replication", "deploy"):
        assert title in shown


def test_an_unfinished_study_has_no_advice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    history = finished_result().history
    unfinished = replace(history, cells=(replace(history.cells[0], entry=None), *history.cells[1:]))
    monkeypatch.setattr("nercc_tune.cli.advising.read_family", lambda *_: ("tiny", (unfinished,)))
    assert run_program(monkeypatch, "advise", "tiny", "--home", "home") == 2
    assert_one_line(capsys.readouterr().err, "study `tiny` is not finished; run `nercc-tune launch` again")


def test_the_report_is_drawn_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "report", "tiny", "--home", "home", "--format", "svg", "-o", "figures") == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["wrote figures/report.html", "wrote figures/report.md"]
    assert Path("figures/report.html").is_file()
    assert list(Path("figures/figures").glob("*.svg"))


def test_tracking_is_rebuilt_without_doubles(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "sync", "tiny", "--home", "home") == 0
    assert "tiny: added 0 runs, 16 were there, closed 0" in capsys.readouterr().out
    tiny_home(Path("empty"))
    assert run_program(monkeypatch, "sync", "tiny", "--home", "home", "--tracking", "sqlite:///empty/mlflow.db") == 0
    assert "tiny: added 16 runs, 0 were there" in capsys.readouterr().out


def test_studies_are_listed_with_state_and_best_pair(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "studies", "--home", "home") == 0
    shown = capsys.readouterr().out
    assert shown.count("finished") == 2
    assert "shipped: " in shown
    assert "lenet5-digits" in shown


def test_a_home_without_studies_is_not_made_by_listing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(monkeypatch, "studies", "--home", "absent") == 0
    assert "no studies in absent yet" in capsys.readouterr().out
    assert not Path("absent").exists()


def test_the_doctor_writes_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(monkeypatch, "doctor", "--home", "absent") == 0
    shown = capsys.readouterr().out
    for what in ("device", "home", "storage", "tracking", "weights lenet5-digits", "data folder"):
        assert what in shown
    assert [path.name for path in Path().iterdir()] == ["tiny.toml"]


def test_the_study_of_another_home_is_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = finished_home(tmp_path / "home")
    storage = f"{home.storage_url}"
    assert run_program(monkeypatch, "export", "tiny", "--storage", storage, "-o", "table.json") == 0
    assert json.loads(Path("table.json").read_text(encoding="utf-8"))["digest"] == finished_result().table.digest

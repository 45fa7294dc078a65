"""What scripts read: valid JSON, and nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nercc_tune.export.table import parse_table
from tests.fakes import finished_home, finished_result
from tests.program import run_program


def test_studies_are_listed_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(monkeypatch, "studies", "--home", "absent", "--json") == 0
    nothing = json.loads(capsys.readouterr().out)
    assert nothing["studies"] == []
    assert "lenet5-digits" in nothing["shipped"]
    finished_home(Path("home"))
    assert run_program(monkeypatch, "studies", "--home", "home", "--json") == 0
    shown = capsys.readouterr()
    assert not shown.err
    (study,) = json.loads(shown.out)["studies"]
    assert (study["study"], study["state"]) == ("tiny", "finished")
    entries = finished_result().table.entries
    assert [cell["tuned"]["lambda_enc"] for cell in study["cells"]] == [entry.lambda_enc for entry in entries]


def test_the_table_is_exported_as_json(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    finished_home(Path("home"))
    for options in (["--json"], ["--json", "--format", "json"]):
        assert run_program(monkeypatch, "export", "tiny", "--home", "home", *options) == 0
        sys.stdout.flush()
        assert parse_table(capfdbinary.readouterr().out.decode()) == finished_result().table


def test_the_doctor_speaks_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(monkeypatch, "doctor", "--home", "absent", "--json") == 0
    shown = capsys.readouterr()
    assert not shown.err
    found = json.loads(shown.out)
    assert found["is_usable"] is True
    assert {"device", "storage", "tracking"} <= {finding["what"] for finding in found["findings"]}


def test_the_doctor_ends_with_1_where_nothing_can_be_launched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken").touch()
    assert run_program(monkeypatch, "doctor", "--home", "taken") == 1
    (row,) = [line for line in capsys.readouterr().out.splitlines() if " home " in line]
    assert "unusable" in row
    assert "cannot be written to" in row
    assert (
        run_program(monkeypatch, "doctor", "--home", "home", "--storage", "postgresql://a@127.0.0.1:9/x", "--json") == 1
    )
    assert json.loads(capsys.readouterr().out)["is_usable"] is False
    same = "sqlite:///one.db"
    assert run_program(monkeypatch, "doctor", "--home", "home", "--storage", same, "--tracking", same) == 1

"""Several studies side by side, at the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.export.compared_json import describe_comparison
from nercc_tune.export.comparison import Comparison
from nercc_tune.export.stretches import sentence_of
from nercc_tune.export.table import TunedTable
from nercc_tune.records import BASELINES
from tests.builders import study_history
from tests.comparing import study, trained, worth
from tests.fakes import finished_home, finished_result
from tests.program import assert_one_line, run_program

_CODES = {"tuned": worth(0.9), "uncoded": worth(0.1), "default": worth(0.05)}
_TABLES = (study("a", _CODES), trained("b", {**_CODES, "tuned": worth(0.95)}))


@pytest.fixture(autouse=True)
def _tables() -> None:
    """Write tables that can be compared, and one of another workload."""
    other = replace(study("c", _CODES), workload=replace(_TABLES[0].workload, fingerprint="0" * 64))
    for table in (*_TABLES, other):
        Path(f"{table.study}.json").write_text(table.to_json(), encoding="utf-8")


def test_tables_in_files_are_compared(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(monkeypatch, "compare", "a.json", "b.json") == 0
    shown = capsys.readouterr()
    for title in ("K = 2, N = 3, S = 1", "tuned NeRCC", "parity model", "uncoded", "A_o, f = 33 %"):
        assert title in shown.out
    (setting,) = Comparison.of(_TABLES).settings
    assert shown.out.splitlines()[-1] == sentence_of(setting)
    assert not shown.err


def test_the_comparison_is_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(monkeypatch, "compare", "a.json", "b.json", "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == describe_comparison(Comparison.of(_TABLES))
    assert not shown.err


def test_other_draws_are_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    table = study("d", {**_CODES, "uncoded": worth(0.12)})
    Path("d.json").write_text(table.to_json(), encoding="utf-8")
    assert run_program(monkeypatch, "compare", "a.json", "d.json") == 0
    assert "d was judged on other groups or masks than a" in capsys.readouterr().out.splitlines()[-1]


def test_a_page_a_table_and_figures_are_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(monkeypatch, "compare", "a.json", "b.json", "-o", "new/folder", "--format", "svg") == 0
    written = ["overall.svg", "comparison.csv", "comparison.md"]
    assert capsys.readouterr().err.splitlines() == [f"wrote new/folder/{name}" for name in written]
    assert sorted(path.name for path in Path("new/folder").iterdir()) == sorted(written)


def test_studies_of_a_home_are_given_by_name_or_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    for given in ("tiny", "tiny.toml"):
        assert run_program(monkeypatch, "compare", given, "--home", "home", "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert found == describe_comparison(Comparison.of([finished_result().table]))
        assert [code["code"] for code in found["settings"][0]["codes"]] == ["tuned", *BASELINES]


def test_a_family_stands_for_all_its_studies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    members = tuple(replace(study_history(stragglers=(count,)), name=f"fam-N{count}") for count in (20, 40))
    monkeypatch.setattr("nercc_tune.cli.comparing.read_family", lambda *_: ("fam", members))
    assert run_program(monkeypatch, "compare", "fam", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found == describe_comparison(Comparison.of(list(map(TunedTable.from_history, members))))
    assert found["studies"] == ["fam-N20", "fam-N40"]


def test_two_studies_that_were_launched_alike_have_the_same_draws(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    again = replace(finished_result().table, study="again")
    Path("again.json").write_text(again.to_json(), encoding="utf-8")
    assert run_program(monkeypatch, "compare", "tiny", "again.json", "--home", "home", "--json") == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert [setting["other_draws"] for setting in settings] == [[], []]


_BAD = {
    "nothing": ([], "Missing argument 'STUDY...'"),
    "an unknown study": (["absent"], "run `nercc-tune launch` first"),
    "an absent table": (["absent.json"], "cannot read the table `absent.json`"),
    "no table": (["odd.json"], "the table is not JSON"),
    "two workloads": (["a.json", "c.json"], "`a` and `c` served `lenet5 on mnist` with other weights or data"),
    "one table twice": (["a.json", "b.json", "a.json"], "`a` is given twice for the same K, N and S"),
    "an unknown format": (["a.json", "-f", "gif"], "'gif' is not one of 'png', 'svg', 'pdf'"),
    "a folder that is a file": (["a.json", "-o", "b.json"], "cannot be written"),
}


@pytest.mark.parametrize("case", _BAD)
def test_what_cannot_be_meant_is_one_line_and_exit_code_2(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = _BAD[case]
    Path("odd.json").write_text("{", encoding="utf-8")
    assert run_program(monkeypatch, "compare", *arguments) == 2
    assert_one_line(capsys.readouterr().err, message)


def test_a_study_that_is_not_finished_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history = finished_result().history
    unfinished = replace(history, cells=(replace(history.cells[0], entry=None), *history.cells[1:]))
    monkeypatch.setattr("nercc_tune.cli.comparing.read_family", lambda *_: ("tiny", (unfinished,)))
    assert run_program(monkeypatch, "compare", "a.json", "tiny") == 2
    assert_one_line(capsys.readouterr().err, "study `tiny` is not finished; run `nercc-tune launch` again")

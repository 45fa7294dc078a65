"""A study file that lists several numbers of workers, at the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.cli.reading import read_family
from nercc_tune.export.advice import advise
from nercc_tune.export.table import read_table
from nercc_tune.records import StudyHistory
from nercc_tune.tuning import closing_storage, open_cells, open_storage
from tests.fakes import finished_home, info, tiny_cells, tiny_home, tiny_spec, tiny_workload
from tests.families import FAMILY, finished_family, finished_family_home
from tests.program import assert_one_line, run_program


@pytest.fixture(autouse=True)
def _file() -> None:
    Path("family.toml").write_text(FAMILY, encoding="utf-8")


@pytest.fixture
def _home() -> None:
    finished_family_home(Path("home"))


def _unfinished(history: StudyHistory) -> StudyHistory:
    return replace(history, cells=(replace(history.cells[0], entry=None), *history.cells[1:]))


@pytest.mark.slow
def test_a_launch_shows_every_member_and_what_to_type_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_home(Path("home"))
    assert run_program(monkeypatch, "launch", "family.toml", "--home", "home", "--profile") == 0
    shown = capsys.readouterr().out
    for name in ("tiny-N10", "tiny-N20"):
        assert shown.index(f"{name}: N = ") < shown.index(f"{name}: tuned codes on held-out queries")
        assert f"table, figures and report in home/studies/{name}" in shown
        assert read_table(Path("home/studies") / name / "table.json").study == name
    assert shown.count("where the time went") == 2
    assert shown.count("loading lenet5 on digits") == 1
    assert "error and agreement against N / K in home/studies/tiny\n" in shown
    assert shown.count("next:") == 1
    assert "nercc-tune advise tiny --home home --agreement 0.99" in shown


@pytest.mark.usefixtures("_home")
def test_the_advice_of_a_family_is_that_of_each_member(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in ("tiny", "family.toml"):
        assert run_program(monkeypatch, "advise", given, "--home", "home") == 0
        shown = capsys.readouterr()
        assert not shown.err
        assert shown.out.index("tiny-N10: N = 10") < shown.out.index("tiny-N20: N = 20")
        assert shown.out.count("MSE in probabilities on held-out queries") == 2


@pytest.mark.usefixtures("_home")
def test_a_member_is_advised_on_and_exported_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(monkeypatch, "advise", "tiny-N20", "--home", "home") == 0
    assert "tiny-N10" not in capsys.readouterr().out
    assert run_program(monkeypatch, "export", "tiny-N20", "--home", "home", "-o", "table.json") == 0
    assert read_table("table.json") == finished_family()[1].table


@pytest.mark.usefixtures("_home")
def test_the_advice_is_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(monkeypatch, "advise", "tiny", "--home", "home", "--json") == 0
    shown = capsys.readouterr()
    assert not shown.err
    found = json.loads(shown.out)
    assert (found["name"], [study["study"] for study in found["studies"]]) == ("tiny", ["tiny-N10", "tiny-N20"])
    for study, result in zip(found["studies"], finished_family(), strict=True):
        expected = [(advice.count, advice.best, advice.is_certain) for advice in advise(result.table)]
        assert [(item["stragglers"], item["deploy"], item["is_certain"]) for item in study["advice"]] == expected


@pytest.mark.usefixtures("_home")
def test_a_floor_is_answered_at_every_share_or_at_the_one_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("advise", "tiny", "--home", "home", "--agreement", "0.5")
    asked = {
        (): ["S = 10 % of N", "S = 30 % of N"],
        ("--stragglers-share", "0.3"): ["S = 30 % of N"],
        ("--stragglers", "2"): ["S = 2, or the next above that was judged"],
    }
    for options, titles in asked.items():
        assert run_program(monkeypatch, *command, *options) == 0
        shown = capsys.readouterr().out
        assert [line.partition(":")[0] for line in shown.splitlines() if line.startswith("agreement ≥")] == [
            f"agreement ≥ 0.5 at {title}" for title in titles
        ]
        assert run_program(monkeypatch, *command, *options, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert [need["stragglers"] for need in found["needs"]] == titles
        for need in found["needs"]:
            assert [choice["workers"] for choice in need["choices"]] == [10, 20]
            assert need["best"]["verdict"] == "holds"


def test_a_single_study_answers_for_its_own_workers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    command = ("advise", "tiny.toml", "--home", "home", "--agreement", "0.2", "--stragglers", "3", "--json")
    assert run_program(monkeypatch, *command) == 0
    (need,) = json.loads(capsys.readouterr().out)["needs"]
    assert (need["best"]["study"], need["best"]["workers"], need["best"]["stragglers"]) == ("tiny", 12, "4")


@pytest.mark.usefixtures("_home")
def test_members_that_are_not_finished_are_named_and_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (result.history for result in finished_family())
    monkeypatch.setattr("nercc_tune.cli.advising.read_family", lambda *_: ("tiny", (_unfinished(first), second)))
    Path("family.toml").write_text(FAMILY.replace("[10, 20]", "[10, 20, 30]"), encoding="utf-8")
    for options in ((), ("--agreement", "0.9")):
        assert run_program(monkeypatch, "advise", "family.toml", "--home", "home", *options) == 0
        shown = capsys.readouterr()
        assert shown.err == "not finished, and left out: tiny-N10, tiny-N30\n"
        assert "tiny-N20" in shown.out


_BAD_OPTIONS = {
    "a floor of nothing": (["--agreement", "0"], "`--agreement` must be above 0 and at most 1, but got 0"),
    "a floor in percent": (["--agreement", "99"], "`--agreement` must be above 0 and at most 1, but got 99"),
    "no floor at all": (["--agreement", "nan"], "`--agreement` must be above 0 and at most 1, but got nan"),
    "a share of all": (
        ["--agreement", "0.9", "--stragglers-share", "1"],
        "`--stragglers-share` must be between 0 and 1",
    ),
    "both": (
        ["--agreement", "0.9", "--stragglers-share", "0.1", "--stragglers", "1"],
        "only one of `--stragglers` and",
    ),
    "stragglers without a floor": (["--stragglers", "2"], "need a floor; give `--agreement 0.99`, or leave them out"),
    "too many": (
        ["--agreement", "0.9", "--stragglers", "7"],
        "`tiny` was judged with at most 3 of 10, 6 of 20 stragglers",
    ),
}


@pytest.mark.usefixtures("_home")
@pytest.mark.parametrize("case", _BAD_OPTIONS)
def test_options_that_cannot_be_meant_are_one_line(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options, message = _BAD_OPTIONS[case]
    assert run_program(monkeypatch, "advise", "tiny", "--home", "home", *options) == 2
    assert_one_line(capsys.readouterr().err, message)


@pytest.mark.usefixtures("_home")
@pytest.mark.parametrize("command", ["export", "report", "promote", "sync", "worker"])
def test_other_commands_take_one_study_of_a_family(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(monkeypatch, command, "family.toml", "--home", "home") == 2
    assert_one_line(capsys.readouterr().err, "family.toml is a family, with a study for each number of workers")
    assert run_program(monkeypatch, command, "tiny", "--home", "home") == 2
    assert_one_line(capsys.readouterr().err, "tiny-N10, tiny-N20")


@pytest.mark.usefixtures("_home")
def test_a_family_is_known_by_the_names_and_the_workers_of_its_studies() -> None:
    spec = tiny_spec("name=tiny-N30")  # which has 12 workers
    with closing_storage(open_storage(finished_family_home(Path("home")).storage_url)) as storage:
        open_cells(storage, spec, tiny_cells(spec), info(tiny_workload()))
    name, histories = read_family("tiny", Path("home"), None)
    assert (name, [history.name for history in histories]) == ("tiny", ["tiny-N10", "tiny-N20"])


def test_a_study_of_the_very_name_goes_before_a_family() -> None:
    home = finished_family_home(Path("home"))
    spec = tiny_spec()
    with closing_storage(open_storage(home.storage_url)) as storage:
        open_cells(storage, spec, tiny_cells(spec), info(tiny_workload()))
    assert [history.name for history in read_family("tiny", home.root, None)[1]] == ["tiny"]
    assert [history.name for history in read_family("family.toml", home.root, None)[1]] == ["tiny-N10", "tiny-N20"]


_BAD_FILES = {
    "fewer workers than queries": ("[10, 4]", "got 4 workers for 5 queries"),
    "a number twice": ("[10, 10]", "a list of different ones"),
    "no number": ("[]", "a list of different ones"),
}


@pytest.mark.parametrize("case", _BAD_FILES)
def test_a_family_that_cannot_be_is_one_line_and_writes_nothing(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workers, message = _BAD_FILES[case]
    Path("family.toml").write_text(FAMILY.replace("[10, 20]", workers), encoding="utf-8")
    assert run_program(monkeypatch, "launch", "family.toml", "--home", "home") == 2
    assert_one_line(capsys.readouterr().err, message)
    assert not Path("home").exists()

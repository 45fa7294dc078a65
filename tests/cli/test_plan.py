"""How many workers hold a goal, at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nercc_tune.service.plan_record import read_plan
from tests.planning.tables import small_table
from tests.program import assert_one_line, run_program

_LAW = "law:shifted-exponential,shift=0.5,rate=2"
_USUAL = ["--rate", "100", "--service-ms", "20", "--slowness", _LAW]
_QUICK = ["--queries", "200", "--trials", "1", "--repeats", "2"]


def test_a_plan_is_told_and_written_and_read_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("small.json").write_text(small_table().to_json(), encoding="utf-8")
    goals = ["--p99", "0.12s", "--agreement", "0.5", "--most-workers", "16"]
    assert run_program(monkeypatch, "plan", "small.json", *_USUAL, *_QUICK, *goals, "-o", "new/plan") == 0
    shown = capsys.readouterr()
    plan = read_plan(Path("new/plan/plan.json"))
    assert plan.chosen is not None
    assert f"take {plan.chosen.workers} workers with {plan.chosen.kind}" in shown.out
    assert "wrote new/plan/plan.png" in shown.err
    assert Path("new/plan/plan.png").stat().st_size > 10_000
    assert plan.tables[0].path == str(Path("small.json").absolute())
    assert plan.tables[0].digest == small_table().digest
    assert plan.conditions.goals.p99_s == pytest.approx(0.12)


def test_scripts_get_json_and_whether_it_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    goals = ["--p99", "20.5 ms", "--most-workers", "4", "--json"]
    assert run_program(monkeypatch, "plan", *_USUAL, *_QUICK, *goals) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False
    assert [offer["missed"] for offer in told["offers"]] == [["p99"]] * len(told["offers"])


_BAD = {
    "no limit": ([*_USUAL, "--agreement", "0.9"], "a plan needs a limit on the latency; give `--p99 50ms`"),
    "no time": ([*_USUAL, "--p99", "50"], "`--p99` must be a time such as 50ms or 0.2s, but got 50"),
    "no number": ([*_USUAL, "--p999", "..ms"], "`--p999` must be a time such as 50ms or 0.2s, but got ..ms"),
    "a limit that no task keeps": ([*_USUAL, "--p99", "20ms"], "`p99_s` must be longer than a task takes"),
    "a floor above all": ([*_USUAL, "--p99", "50ms", "--agreement", "99"], "`agreement` must be above 0 and at most 1"),
    "a rate of none": (["--rate", "0", *_USUAL[2:], "--p99", "50ms"], "`rate` must be positive and finite"),
    "an unknown law": ([*_USUAL[:4], "--slowness", "law:levy", "--p99", "50ms"], "`law` must be one of"),
    "no trace": ([*_USUAL[:4], "--slowness", "trace.csv", "--p99", "50ms"], "there is no such file"),
    "no table": (["none.json", *_USUAL, "--p99", "50ms"], "cannot read the table `none.json`"),
}


@pytest.mark.parametrize("case", _BAD)
def test_what_cannot_be_planned_is_one_line_and_exit_code_2(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = _BAD[case]
    assert run_program(monkeypatch, "plan", *arguments) == 2
    assert_one_line(capsys.readouterr().err, message)

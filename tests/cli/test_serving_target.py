"""What the argument of `serve` stands for where it is a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.cli.serving_target import Target, find_target
from nercc_tune.errors import NerccTuneError
from nercc_tune.home import Home
from nercc_tune.service.plan_record import PlannedTable, ServicePlan
from tests.builders import tuned_table
from tests.service.plans import offer, service_plan

_TABLE = tuned_table(stragglers=(20, 40))


def _find(path: Path, **given: str) -> Target:
    nothing = {"name": None, "storage": None, "tracking": None, "model": None, "checkpoint": None}
    return find_target(str(path), Home(path.parent), **(nothing | given))  # type: ignore[arg-type]  # of any options


def _plan(folder: Path, *, digest: str = _TABLE.digest) -> ServicePlan:
    path = folder / "table.json"
    path.write_text(_TABLE.to_json(), encoding="utf-8")
    chosen = replace(offer("coded tiny"), table=PlannedTable(study=_TABLE.study, digest=digest, path=str(path)))
    return service_plan(chosen)


def test_a_plan_stands_for_its_table_and_says_how_the_workers_are_used(tmp_path: Path) -> None:
    plan = _plan(tmp_path)
    (tmp_path / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    found = _find(tmp_path / "plan.json")
    assert found.scheme == offer("coded tiny").settings
    assert found.source.read().served.table == _TABLE
    assert (found.workload.model, found.workload.data) == (_TABLE.workload.model, _TABLE.workload.data)


def test_a_table_leaves_that_to_the_options(tmp_path: Path) -> None:
    _plan(tmp_path)
    assert _find(tmp_path / "table.json").scheme is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "the table is not JSON"),
        ('{"schema": "nercc-tune/plan/99"}', "is no plan of this version's `plan`"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "other.json").write_text(content, encoding="utf-8")
    with pytest.raises(NerccTuneError, match=message):
        _find(tmp_path / "other.json")


def test_a_table_that_changed_since_it_was_planned_with_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(_plan(tmp_path, digest="0" * 64).to_json(), encoding="utf-8")
    with pytest.raises(NerccTuneError, match=f"the table of `{_TABLE.study}` is not the one that was planned with"):
        _find(tmp_path / "plan.json")
    with pytest.raises(NerccTuneError, match="`--name` is of a registered model"):
        _find(tmp_path / "plan.json", name="x")


def test_a_plan_that_holds_no_goal_is_not_served(tmp_path: Path) -> None:
    plan = service_plan(offer("hedging", missed=("p99",)))
    (tmp_path / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    with pytest.raises(NerccTuneError, match="nothing that was planned holds the goals"):
        _find(tmp_path / "plan.json")

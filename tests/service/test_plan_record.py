"""The file of a plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.errors import ServiceError
from nercc_tune.service.plan_record import Worth, read_plan
from tests.service.plans import TABLE, offer, service_plan

_PLAN = service_plan(offer("coded tiny", agreement=0.997), offer("hedging"), offer("plain", missed=("p99",)))


def test_it_is_read_back_exactly(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(_PLAN.to_json())
    assert read_plan(tmp_path / "plan.json") == _PLAN


def test_the_first_that_holds_is_chosen_and_says_what_to_serve() -> None:
    assert _PLAN.chosen == _PLAN.offers[0]
    assert _PLAN.target == (TABLE, _PLAN.offers[0].settings)
    plain = service_plan(offer("hedging"))
    assert plain.target == (TABLE, plain.offers[0].settings)  # whose model it is


def test_nothing_is_served_that_does_not_hold_or_has_no_model() -> None:
    missing = service_plan(offer("plain", missed=("p99",)))
    assert missing.chosen is None
    with pytest.raises(ServiceError, match="nothing that was planned holds the goals"):
        _ = missing.target
    with pytest.raises(ServiceError, match="the plan was made without a table"):
        _ = replace(service_plan(offer("hedging")), tables=()).target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.update(schema="nercc-tune/plan/0"), "its schema is nercc-tune/plan/0"),
        (lambda values: values.update(more=1), "[Ee]xtra|[Uu]nexpected"),
        (lambda values: values["offers"][0]["settings"].update(more=1), "[Ee]xtra|[Uu]nexpected"),
        (lambda values: values["conditions"].update(rate=-1.0), "`rate` must be positive"),
    ],
)
def test_what_is_no_plan_is_refused(change: object, message: str, tmp_path: Path) -> None:
    values = json.loads(_PLAN.to_json())
    assert callable(change)
    change(values)
    (tmp_path / "plan.json").write_text(json.dumps(values))
    with pytest.raises(ServiceError, match=message):
        read_plan(tmp_path / "plan.json")


def test_what_is_not_there_or_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("[")
    for path in (tmp_path / "plan.json", tmp_path / "none.json"):
        with pytest.raises(ServiceError, match="is no plan of this version's `plan`"):
            read_plan(path)


def test_all_tails_are_told() -> None:
    worth = _PLAN.offers[0].worth
    with pytest.raises(ValueError, match="`tails_s` must hold p50, p99, p999, but got p99"):
        Worth(tails_s={"p99": worth.tails_s["p99"]}, agreement=worth.agreement, means=worth.means)

"""What a plan chooses from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.errors import ServiceError
from nercc_tune.planning.kinds import SIZE, Kind, Value, kinds_of
from nercc_tune.service.rules import Answers, Deadline
from tests.planning.tables import conditions, small_table, to_plan


def _kind(name: str) -> Kind:
    kinds, _ = kinds_of(conditions(), (to_plan(),))
    return next(kind for kind in kinds if kind.name.split()[0] == name)


def test_the_plain_kinds_are_always_there_and_each_table_is_one() -> None:
    kinds, absent = kinds_of(conditions(), (to_plan(),))
    assert [kind.name for kind in kinds] == ["plain", "replication", "hedging", f"coded {small_table().study}"]
    assert not absent


def test_a_code_of_more_workers_than_there_may_be_is_left_out_and_said() -> None:
    kinds, absent = kinds_of(conditions(most_workers=11), (to_plan(),))
    assert len(kinds) == 3
    assert list(absent.values()) == ["its code needs 12 workers, and there may be 11"]


def test_one_worker_has_no_copies() -> None:
    assert [kind.name for kind in kinds_of(conditions(most_workers=1), ())[0]] == ["plain", "hedging"]


@pytest.mark.parametrize("name", ["plain", "replication", "hedging", "coded"])
def test_what_is_obvious_can_be_had_at_every_size_and_costs_no_more_than_there_may_be(name: str) -> None:
    kind = _kind(name)
    for size in (1, kind.largest):
        for chosen in kind.obvious:
            assert set(chosen) == set(kind.space)
            scheme = kind.scheme(kind.settings({**chosen, SIZE: size}))
            assert scheme.workers <= 24
            if size > 3:
                assert scheme.workers == size


def test_a_code_waits_for_answers_or_until_a_deadline() -> None:
    kind = _kind("coded")
    chosen: dict[str, Value] = {SIZE: 2, "rule": "deadline", "answers": 11, "deadline_s": 0.05, "max_wait_s": 0.03}
    scheme = kind.scheme(kind.settings(chosen))
    assert scheme.workers == 24
    assert scheme.rule == Deadline(seconds=0.05, least=8, count=11)
    assert kind.scheme(kind.settings({**chosen, "rule": "answers"})).rule == Answers(count=11)


def test_tables_must_be_of_one_model_and_of_several_studies() -> None:
    with pytest.raises(ServiceError, match="each study may be given once"):
        kinds_of(conditions(), (to_plan(), to_plan()))
    table = small_table()
    other = replace(table, study="other", workload=replace(table.workload, fingerprint="other"))
    with pytest.raises(ServiceError, match="the tables must be of one model and data set"):
        kinds_of(conditions(), (to_plan(), to_plan(other)))

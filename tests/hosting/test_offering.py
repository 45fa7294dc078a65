"""From a table and a workload to what is served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nercc_tune.errors import ServiceError, TableError
from nercc_tune.hosting.choosing import choose_scheme, choose_settings
from nercc_tune.hosting.offering import Offering, settings_of_table
from nercc_tune.hosting.plan import Plan
from nercc_tune.hosting.settings import HostSettings
from nercc_tune.hosting.sources import Found, TableSource, serving_alone
from nercc_tune.service.scheme_settings import SchemeSettings
from nercc_tune.service.schemes import plain
from nercc_tune.serving import ServedTable
from nercc_tune.spec.settings import ResourceSettings
from tests.builders import tuned_table
from tests.fakes import AXES, tiny_workload
from tests.served import nodal

TABLE = tuned_table(stragglers=(20, 40))


def found(fingerprint: str = "tiny") -> Found:
    table = replace(TABLE, workload=replace(TABLE.workload, fingerprint=fingerprint, query_shape=(AXES,)))
    return Found(served=ServedTable(table), key="k", title="the policy of a test")


def offering(name: str = "coded") -> Offering:
    return Offering(workload=tiny_workload(), settings=choose_scheme(name))


def test_an_offer_has_a_network_for_each_worker_and_says_what_it_is() -> None:
    made = offering().offer(found())
    assert len(made.networks) == made.scheme.workers == 200
    assert made.reader.query_shape == (AXES,)
    assert made.about["serves"] == "the policy of a test"
    assert made.about["rule"] == "decodes with 160 of 200 answers"
    assert (made.about["queries"], made.about["workers"]) == (50, 200)


def test_a_rival_needs_no_more_than_the_table() -> None:
    made = offering("equal-resources").offer(found())
    assert (made.scheme.queries, made.scheme.workers, made.about["rule"]) == (1, 200, "decodes nothing")


def test_a_table_of_another_model_is_refused() -> None:
    with pytest.raises(ServiceError, match=r"^the policy of a test was tuned on another lenet5 or other mnist"):
        offering().offer(found("another"))


def test_a_plan_travels_and_encodes_as_before() -> None:
    made = offering().offer(found())
    settings = HostSettings()
    plan = Plan(
        scheme=made.scheme,
        codec=made.codec,
        reader=made.reader,
        about=made.about,
        workers=("a",) * 200,
        timeout_s=settings.timeout_s,
        limit=settings.limit,
        drain_s=settings.drain_s,
    )
    again = Plan.unpack(plan.pack())
    queries = torch.randn(50, AXES, generator=torch.Generator().manual_seed(0))
    for task in (0, 57, 199):
        assert torch.equal(again.codec.on(queries).coded(task), made.codec.on(queries).coded(task))
    assert again.about == made.about


def test_a_code_alone_decodes_as_the_table_says_for_its_count() -> None:
    alone = ServedTable(serving_alone(TABLE, 40)).policy()
    direct = ServedTable(TABLE).code(stragglers=40)
    arrived = torch.arange(160)
    expected = nodal(direct).decoder_matrix(arrived)
    assert torch.equal(nodal(alone).decoder_matrix(arrived), expected)
    assert torch.equal(nodal(alone).encoder_matrix, nodal(direct).encoder_matrix)
    with pytest.raises(TableError, match="30"):
        serving_alone(TABLE, 30)


def test_a_table_is_a_source_that_never_changes(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(TABLE.to_json(), encoding="utf-8")
    source = TableSource(path=path)
    assert source.read().key == source.key() == str(path)
    assert source.read().title == f"the policy of {TABLE.study}, from table.json"


def test_a_table_says_how_to_load_its_model_as_far_as_it_can() -> None:
    plain_one = settings_of_table(TABLE, model=None, checkpoint=None)
    assert (plain_one.model, plain_one.data, plain_one.pretrained) == ("lenet5", "mnist", False)
    pretrained = replace(TABLE, workload=replace(TABLE.workload, weights_source="pretrained"))
    assert settings_of_table(pretrained, model=None, checkpoint=None).pretrained
    given = settings_of_table(pretrained, model="m.pt", checkpoint="w.safetensors")
    assert (given.model, given.checkpoint, given.pretrained) == ("m.pt", "w.safetensors", False)


def test_an_example_is_a_query_that_numpy_reads(tmp_path: Path) -> None:
    path = offering().save_example(tmp_path / "new")
    assert np.array_equal(np.load(path), tiny_workload().data.load([0])[0][0].numpy())
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="cannot be written"):
        offering().save_example(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [({"answers": 0}, "`answers` must be at least 1"), ({"max_wait_s": float("nan")}, "`max_wait_s` must be")],
)
def test_a_scheme_that_cannot_be_meant_is_refused(chosen: dict[str, float], message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        choose_scheme("coded", **chosen)
    with pytest.raises(ServiceError, match="`name` must be one of none"):
        choose_scheme("copied")


def test_workers_share_this_machine_and_reserve_what_the_study_says_elsewhere() -> None:
    resources = ResourceSettings(num_cpus=2.0)

    def choose(address: str, **more: float) -> HostSettings:
        return choose_settings(plain(4), resources, device="cpu", slowness=None, address=address, **more)

    assert (choose("local").placement.num_cpus, choose("auto").placement.num_cpus) == (0.0, 2.0)
    assert choose("local").placement.device == "cpu"
    with pytest.raises(ServiceError, match="`timeout_s` must be positive, but got -1"):
        choose("local", timeout_s=-1)


def test_where_a_service_is_reached_from_here() -> None:
    assert HostSettings(host="0.0.0.0", port=80).url == "http://127.0.0.1:80"  # noqa: S104 - it is what a user gives
    assert HostSettings(host="::1").url == "http://[::1]:8000"
    assert SchemeSettings(name="coded").max_wait_s == 0.01
    with pytest.raises(ValueError, match="`port` must be from 1 to 65535, but got 0"):
        HostSettings(port=0)

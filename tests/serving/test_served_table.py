from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nercc_tune import load_table
from nercc_tune.coding import BASELINE_CODES, GroupCode, NerccCode, NonFiniteAnswers, Placement, node_set
from nercc_tune.errors import TableError
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Design
from nercc_tune.serving import ServedTable
from tests.builders import tuned_table
from tests.served import nodal

COUNTS = (20, 40, 80)
TABLE = tuned_table(stragglers=COUNTS)
EVERYTHING = Design(ordering="nearest-neighbour", nodes="chord-length", assignment="interleaved", rack=10)
# Points on a curve, in no order: what a tour makes smooth again.
_TIMES = torch.linspace(0, 4, 50, dtype=torch.float64)[torch.randperm(50, generator=torch.Generator().manual_seed(0))]
QUERIES = torch.stack([_TIMES.sin(), _TIMES.cos(), _TIMES], dim=1)


def _save(table: TunedTable, folder: Path) -> Path:
    path = folder / "table.json"
    path.write_text(table.to_json(), encoding="utf-8")
    return path


def _with_entries(**changes: object) -> ServedTable:
    return ServedTable(replace(TABLE, entries=tuple(replace(entry, **changes) for entry in TABLE.entries)))  # type: ignore[arg-type]  # any field of an entry


def _by_hand(design: Design, lambda_enc: float, lambda_dec: float) -> GroupCode:
    return GroupCode(
        lambda nodes: NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=lambda_dec),
        queries=50,
        workers=200,
        placement=Placement.of(design),
    )


def test_a_file_is_served_as_it_was_saved(tmp_path: Path) -> None:
    path = _save(TABLE, tmp_path)
    for named in (path, str(path)):
        assert load_table(named) == ServedTable(TABLE)


@pytest.mark.parametrize("stragglers", COUNTS)
def test_a_cells_code_has_the_entrys_sizes_design_and_pair(stragglers: int) -> None:
    code, entry = nodal(ServedTable(TABLE).code(stragglers=stragglers)), TABLE.entry(stragglers)
    assert (code.queries, code.workers) == (entry.queries, entry.workers) == (50, 200)
    assert (code.lambda_enc, code.parameter) == (entry.lambda_enc, entry.lambda_dec)
    assert code.design == entry.design
    expected = _by_hand(entry.design, entry.lambda_enc, entry.lambda_dec).on(QUERIES)
    arrived = torch.arange(stragglers, 200)
    torch.testing.assert_close(code.encoder_matrix, expected.encoder_matrix)
    torch.testing.assert_close(code.decoder_matrix(arrived), expected.decoder_matrix(arrived))


def test_the_design_is_the_tables_own() -> None:
    code = nodal(_with_entries(design=Design(nodes="uniform")).code(stragglers=20))
    nodes = node_set("uniform", queries=50, workers=200)
    expected = NerccCode(nodes, lambda_enc=TABLE.entries[0].lambda_enc, lambda_dec=TABLE.entries[0].lambda_dec)
    assert torch.equal(code.encoder_matrix, expected.encoder_matrix)


def test_a_code_of_the_table_encodes_and_decodes() -> None:
    code = ServedTable(TABLE).code(stragglers=40)
    coded = code.encode(QUERIES)
    estimates = code.decode(coded[40:], range(40, 200))
    assert (coded.shape, estimates.shape) == ((200, 3), (50, 3))
    group = code.on(QUERIES)
    torch.testing.assert_close(group.encode(QUERIES), coded)
    torch.testing.assert_close(group.decode(coded[40:], range(40, 200)), estimates)


def test_a_design_of_everything_estimates_in_the_callers_order() -> None:
    code = _with_entries(design=EVERYTHING, lambda_enc=1e-10, lambda_dec=1e-10).code(stragglers=40)
    group, expected = code.on(QUERIES), _by_hand(EVERYTHING, 1e-10, 1e-10).on(QUERIES)
    arrived = list(range(40, 200))
    coded = group.encode(QUERIES)
    estimates = group.decode(coded[arrived], arrived)
    assert torch.equal(coded, expected.encode(QUERIES))
    assert torch.equal(estimates, expected.decode(coded[arrived], arrived))
    # The workers return what they get, so that the estimates are the queries, each at its own place.
    torch.testing.assert_close(estimates, QUERIES, atol=1e-3, rtol=0)
    assert (QUERIES.roll(1, 0) - QUERIES).abs().max() > 1


def test_any_order_of_the_same_group_is_estimated_alike() -> None:
    code = _with_entries(design=EVERYTHING, lambda_enc=1e-10, lambda_dec=1e-10).code(stragglers=40)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(3))
    shuffled = code.on(QUERIES[order])
    estimates = shuffled.decode(shuffled.encode(QUERIES[order])[40:], range(40, 200))
    torch.testing.assert_close(estimates, QUERIES[order], atol=1e-3, rtol=0)


def test_the_callers_features_decide_the_order() -> None:
    code = nodal(_with_entries(design=EVERYTHING).code(stragglers=40))
    hidden = torch.arange(50.0).flip(0)[:, None]
    group = code.on(QUERIES, features=lambda _: hidden)
    expected = _by_hand(EVERYTHING, TABLE.entry(40).lambda_enc, 0.0).on(QUERIES, features=lambda _: hidden)
    assert torch.equal(group.encoder_matrix, expected.encoder_matrix)
    assert not torch.equal(group.encoder_matrix, code.on(QUERIES).encoder_matrix)


@pytest.mark.parametrize("design", [Design(ordering="nearest-neighbour"), Design(nodes="chord-length")])
def test_a_code_that_differs_from_group_to_group_cannot_be_used_directly(design: Design) -> None:
    code = _with_entries(design=design).code(stragglers=20)
    message = rf"the code \({re.escape(design.label)}\) differs from group to group; take `group = code.on\(queries\)`"
    with pytest.raises(ValueError, match=message):
        code.encode(QUERIES)
    with pytest.raises(ValueError, match=message):
        code.decode(torch.zeros(180, 3), range(20, 200))


def test_a_group_of_another_size_is_refused() -> None:
    code = _with_entries(design=EVERYTHING).code(stragglers=20)
    with pytest.raises(ValueError, match="`queries` must hold 50 queries along axis 0, but got shape"):
        code.on(QUERIES[:49])


@pytest.mark.parametrize("given", [{}, {"stragglers": 20, "arrived": 180}])
def test_exactly_one_count_is_asked_for(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="exactly one of `stragglers` and `arrived` must be given"):
        ServedTable(TABLE).code(**given)


# Stragglers 0 … 20 take the decoder for 20, 21 … 40 that for 40, and so on.
_NEXT_LARGER = [(200, 20), (199, 20), (181, 20), (180, 20), (179, 40), (160, 40), (159, 80), (121, 80), (120, 80)]


@pytest.mark.parametrize(("arrived", "count"), _NEXT_LARGER)
def test_the_policy_takes_the_decoder_of_the_next_larger_straggler_count(arrived: int, count: int) -> None:
    code = nodal(ServedTable(TABLE).code(arrived=arrived))
    (expected,) = (entry.lambda_dec for entry in TABLE.policy.entries if entry.stragglers == count)
    assert (code.lambda_enc, code.parameter) == (TABLE.policy.lambda_enc, expected)
    assert (code.queries, code.workers) == (50, 200)


@pytest.mark.parametrize(("arrived", "count"), _NEXT_LARGER)
def test_the_policy_picks_its_decoder_when_the_answers_are_there(arrived: int, count: int) -> None:
    (expected,) = (entry.lambda_dec for entry in TABLE.policy.entries if entry.stragglers == count)
    workers = torch.arange(arrived)
    matrix = nodal(ServedTable(TABLE).policy()).on(QUERIES).decoder_matrix(workers)
    by_hand = _by_hand(TABLE.policy.design, TABLE.policy.lambda_enc, expected).on(QUERIES).decoder_matrix(workers)
    assert torch.equal(matrix, by_hand)
    assert torch.equal(matrix, nodal(ServedTable(TABLE).code(arrived=arrived)).on(QUERIES).decoder_matrix(workers))


def test_one_code_of_the_policy_reads_any_number_of_answers() -> None:
    policy = replace(TABLE.policy, design=EVERYTHING)
    group = ServedTable(replace(TABLE, policy=policy)).policy().on(QUERIES)
    coded = group.encode(QUERIES)
    for count, entry in zip(COUNTS, TABLE.policy.entries, strict=True):
        expected = _by_hand(EVERYTHING, policy.lambda_enc, entry.lambda_dec).on(QUERIES)
        arrived = range(count, 200)
        assert torch.equal(group.decode(coded[count:], arrived), expected.decode(coded[count:], arrived))


def test_the_policys_entries_may_come_in_any_order() -> None:
    policy = replace(TABLE.policy, entries=TABLE.policy.entries[::-1])
    shuffled = ServedTable(replace(TABLE, policy=policy))
    for arrived in (200, 170, 130):
        expected = nodal(ServedTable(TABLE).code(arrived=arrived))
        assert nodal(shuffled.code(arrived=arrived)).parameter == expected.parameter


def test_all_codes_of_the_policy_send_the_same_coded_queries() -> None:
    served = ServedTable(TABLE)
    first, second = nodal(served.code(arrived=190)), nodal(served.code(arrived=125))
    any_number = nodal(served.policy())
    assert first.parameter != second.parameter
    assert torch.equal(first.encoder_matrix, second.encoder_matrix)
    assert torch.equal(first.encoder_matrix, any_number.encoder_matrix)


@pytest.mark.parametrize("name", ["bacc", "nercc_ag", "replication", "uncoded", "default"])
def test_a_baseline_is_served_with_the_reference_design(name: str) -> None:
    table = replace(TABLE, reference=EVERYTHING)
    group = ServedTable(table).baseline(name).on(QUERIES)
    placement = Placement.of(EVERYTHING)
    expected = GroupCode(BASELINE_CODES[name], queries=50, workers=200, placement=placement).on(QUERIES)
    assert torch.equal(group.encoder_matrix, expected.encoder_matrix)
    arrived = torch.arange(0, 200)
    assert torch.equal(group.decoder_matrix(arrived), expected.decoder_matrix(arrived))


def test_replication_gives_each_query_back() -> None:
    group = ServedTable(TABLE).baseline("replication").on(QUERIES)
    torch.testing.assert_close(group.decode(group.encode(QUERIES)[40:], range(40, 200)), QUERIES)


def test_an_unknown_baseline_is_an_error() -> None:
    with pytest.raises(
        TableError, match="`name` must be one of bacc, nercc_ag, replication, uncoded, default, but got 'frozen'"
    ):
        ServedTable(TABLE).baseline("frozen")


@pytest.mark.parametrize("stragglers", [0, 30, 81])
def test_a_count_that_was_not_tuned_is_an_error(stragglers: int) -> None:
    message = f"`stragglers` must be one of the table's counts 20, 40, 80, but got {stragglers}"
    with pytest.raises(TableError, match=message):
        ServedTable(TABLE).code(stragglers=stragglers)


@pytest.mark.parametrize("arrived", [-1, 0, 119, 201])
def test_fewer_arrived_than_were_tuned_for_or_more_than_there_are_is_an_error(arrived: int) -> None:
    with pytest.raises(TableError, match=f"`arrived` must be from 120 to 200 workers, but got {arrived}"):
        ServedTable(TABLE).code(arrived=arrived)


@pytest.mark.parametrize("count", ["40", " 40", 40.0, np.int64(40), torch.tensor(40)])
def test_a_count_may_come_as_configurations_and_data_frames_have_it(count: Any) -> None:
    served = ServedTable(TABLE)
    assert nodal(served.code(stragglers=count)).parameter == nodal(served.code(stragglers=40)).parameter


@pytest.mark.parametrize("count", ["many", "4.5", "-1", 40.5, math.nan, True, [40]])
def test_a_count_that_is_no_whole_number_is_refused(count: Any) -> None:
    for name in ("stragglers", "arrived"):
        with pytest.raises(ValueError, match=f"`{name}` must be a whole number, but got "):
            ServedTable(TABLE).code(**{name: count})


def test_a_group_may_be_an_array() -> None:
    code = ServedTable(replace(TABLE, policy=replace(TABLE.policy, design=EVERYTHING))).policy()
    array = QUERIES.numpy()
    group, expected = code.on(array), code.on(QUERIES)
    coded = group.encode(array)
    assert isinstance(coded, np.ndarray)
    np.testing.assert_array_equal(coded, expected.encode(QUERIES).numpy())
    answers = coded[40:]
    estimates = group.decode(answers, np.arange(40, 200))
    assert isinstance(estimates, np.ndarray)
    np.testing.assert_array_equal(estimates, expected.decode(torch.from_numpy(answers), range(40, 200)).numpy())


def test_the_policy_reads_what_is_left_when_an_answer_is_not_finite() -> None:
    group = ServedTable(TABLE).policy().on(QUERIES)
    answers = group.encode(QUERIES)[:180]
    answers[7, 0] = math.nan
    kept = [worker for worker in range(180) if worker != 7]
    with pytest.warns(NonFiniteAnswers, match="the answers of workers 7 hold a NaN"):
        estimates = group.decode(answers, range(180))
    assert torch.equal(estimates, group.decode(answers[kept], kept))


def test_another_domain_is_an_error() -> None:
    served = _with_entries(domain=(0.0, 1.0))
    message = r"λ are for nodes in \(0.0, 1.0\), and this version places them in \(-1.0, 1.0\)"
    with pytest.raises(TableError, match=message):
        served.code(stragglers=20)
    with pytest.raises(TableError, match=message):
        served.code(arrived=180)


@pytest.mark.parametrize("arrived", [119, 0])
def test_the_policys_code_refuses_too_few_answers_when_it_decodes(arrived: int) -> None:
    group = ServedTable(TABLE).policy().on(QUERIES)
    coded = group.encode(QUERIES)
    with pytest.raises((TableError, ValueError), match="`arrived` must"):
        group.decode(coded[:arrived], range(arrived))


@pytest.mark.parametrize(
    ("design", "message"),
    [
        (Design(nodes="leja"), "`nodes` must be one of .* 'leja'"),
        (Design(ordering="random"), "`ordering` must be one of .* 'random'"),
        (Design(assignment="interleaved", rack=None), "`rack` must be"),
    ],
)
def test_an_unknown_design_is_an_error(design: Design, message: str) -> None:
    with pytest.raises(TableError, match=rf"a design that this version does not have: {message}"):
        _with_entries(design=design).code(stragglers=20)


def test_an_unknown_design_of_the_baselines_is_an_error() -> None:
    served = ServedTable(replace(TABLE, reference=Design(ordering="random")))
    with pytest.raises(TableError, match="a design that this version does not have: `ordering` must be one of"):
        served.baseline("bacc")


def test_a_file_that_is_not_there_or_was_changed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot read the table"):
        load_table(tmp_path / "absent.json")
    path = _save(TABLE, tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('"workers": 200', '"workers": 201', 1), encoding="utf-8")
    with pytest.raises(TableError, match="digest does not match its content"):
        load_table(path)


def test_serving_imports_neither_optuna_nor_mlflow(tmp_path: Path) -> None:
    """Nor what else a server has no use for; sympy costs seconds at the first call of some of torch's functions."""
    program = """
import sys
import nercc_tune
import torch
table = nercc_tune.load_table(sys.argv[1])
queries = torch.arange(100.0).reshape(50, 2)
for code in (table.code(stragglers=40), table.policy(), table.baseline("bacc")):
    group = code.on(queries)
    group.decode(group.encode(queries)[40:], range(40, 200))
unwanted = ("optuna", "mlflow", "pandas", "pyarrow", "timm", "matplotlib", "sqlalchemy", "sympy")
print(",".join(name for name in unwanted if name in sys.modules))
"""
    entries = tuple(replace(entry, design=EVERYTHING) for entry in TABLE.entries)
    table = replace(TABLE, entries=entries, policy=replace(TABLE.policy, design=EVERYTHING))
    command = [sys.executable, "-c", program, str(_save(table, tmp_path))]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == ""

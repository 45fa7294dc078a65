from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nercc_tune import load_table
from nercc_tune.coding import node_set
from nercc_tune.errors import TableError
from nercc_tune.export.table import TunedTable
from nercc_tune.serving import ServedTable
from tests.reporting.builders import tuned_table

COUNTS = (20, 40, 80)
TABLE = tuned_table(stragglers=COUNTS)


def _save(table: TunedTable, folder: Path) -> Path:
    path = folder / "table.json"
    path.write_text(table.to_json(), encoding="utf-8")
    return path


def _with_entries(**changes: object) -> ServedTable:
    return ServedTable(replace(TABLE, entries=tuple(replace(entry, **changes) for entry in TABLE.entries)))  # type: ignore[arg-type]  # any field of an entry


def test_a_file_is_served_as_it_was_saved(tmp_path: Path) -> None:
    path = _save(TABLE, tmp_path)
    for named in (path, str(path)):
        assert load_table(named) == ServedTable(TABLE)


@pytest.mark.parametrize("stragglers", COUNTS)
def test_a_cells_code_has_the_entrys_sizes_nodes_and_pair(stragglers: int) -> None:
    code, entry = ServedTable(TABLE).code(stragglers=stragglers), TABLE.entry(stragglers)
    assert (code.queries, code.workers) == (entry.queries, entry.workers) == (50, 200)
    assert (code.lambda_enc, code.lambda_dec) == (entry.lambda_enc, entry.lambda_dec)
    expected = node_set(entry.nodes, queries=50, workers=200)
    assert torch.equal(code.nodes.alpha, expected.alpha)
    assert torch.equal(code.nodes.beta, expected.beta)


def test_the_nodes_are_the_tables_own() -> None:
    code = _with_entries(nodes="uniform").code(stragglers=20)
    assert torch.equal(code.nodes.beta, node_set("uniform", queries=50, workers=200).beta)


def test_a_code_of_the_table_encodes_and_decodes() -> None:
    code = ServedTable(TABLE).code(stragglers=40)
    queries = torch.linspace(-1, 1, 50)[:, None].expand(-1, 3)
    coded = code.encode(queries)
    estimates = code.decode(coded[40:], range(40, 200))
    assert (coded.shape, estimates.shape) == ((200, 3), (50, 3))


# Stragglers 0 … 20 take the decoder for 20, 21 … 40 that for 40, and so on.
@pytest.mark.parametrize(
    ("arrived", "count"),
    [(200, 20), (199, 20), (181, 20), (180, 20), (179, 40), (160, 40), (159, 80), (121, 80), (120, 80)],
)
def test_the_policy_takes_the_decoder_of_the_next_larger_straggler_count(arrived: int, count: int) -> None:
    code = ServedTable(TABLE).policy_code(arrived=arrived)
    (expected,) = (entry.lambda_dec for entry in TABLE.policy.entries if entry.stragglers == count)
    assert (code.lambda_enc, code.lambda_dec) == (TABLE.policy.lambda_enc, expected)
    assert (code.queries, code.workers) == (50, 200)


def test_the_policys_entries_may_come_in_any_order() -> None:
    policy = replace(TABLE.policy, entries=TABLE.policy.entries[::-1])
    shuffled = ServedTable(replace(TABLE, policy=policy))
    for arrived in (200, 170, 130):
        expected = ServedTable(TABLE).policy_code(arrived=arrived)
        assert shuffled.policy_code(arrived=arrived).lambda_dec == expected.lambda_dec


def test_all_codes_of_the_policy_send_the_same_coded_queries() -> None:
    served = ServedTable(TABLE)
    first, second = served.policy_code(arrived=190), served.policy_code(arrived=125)
    assert first.lambda_dec != second.lambda_dec
    assert torch.equal(first.encoder_matrix, second.encoder_matrix)


@pytest.mark.parametrize("stragglers", [0, 30, 81])
def test_a_count_that_was_not_tuned_is_an_error(stragglers: int) -> None:
    message = f"`stragglers` must be one of the table's counts 20, 40, 80, but got {stragglers}"
    with pytest.raises(TableError, match=message):
        ServedTable(TABLE).code(stragglers=stragglers)


@pytest.mark.parametrize("arrived", [-1, 0, 119, 201])
def test_fewer_arrived_than_were_tuned_for_or_more_than_there_are_is_an_error(arrived: int) -> None:
    with pytest.raises(TableError, match=f"`arrived` must be from 120 to 200 workers, but got {arrived}"):
        ServedTable(TABLE).policy_code(arrived=arrived)


def test_another_domain_is_an_error() -> None:
    served = _with_entries(domain=(0.0, 1.0))
    message = r"λ are for nodes in \(0.0, 1.0\), and this version places them in \(-1.0, 1.0\)"
    with pytest.raises(TableError, match=message):
        served.code(stragglers=20)
    with pytest.raises(TableError, match=message):
        served.policy_code(arrived=180)


def test_unknown_nodes_are_an_error() -> None:
    with pytest.raises(TableError, match=r"nodes that this version does not have: `nodes` must be one of .* 'leja'"):
        _with_entries(nodes="leja").code(stragglers=20)


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
code = nercc_tune.load_table(sys.argv[1]).code(stragglers=40)
code.decode(code.encode(torch.zeros(50, 2))[40:], range(40, 200))
unwanted = ("optuna", "mlflow", "pandas", "pyarrow", "timm", "matplotlib", "sqlalchemy", "sympy")
print(",".join(name for name in unwanted if name in sys.modules))
"""
    command = [sys.executable, "-c", program, str(_save(TABLE, tmp_path))]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == ""

"""Tables of codes that look at what right answers look like, served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nercc_tune import load_table
from nercc_tune.coding import AnswerReader, NerccCode, node_set
from nercc_tune.errors import TableError
from nercc_tune.export.attachments import Attachments
from nercc_tune.export.formats import write_table
from nercc_tune.export.typical import typical_path
from nercc_tune.records import Distrust
from nercc_tune.serving import ServedTable
from tests.served import nodal, screening_table, typical_of

# Residuals alone would accuse nobody here: what is beyond their level is beyond any number.
DISTRUST = Distrust(kind="residuals", level=1e6, most=3, typical=30.0)
TYPICAL = typical_of()
ATTACHED = Attachments(typical={TYPICAL.digest: TYPICAL})
TABLE = screening_table(DISTRUST, TYPICAL)
WRONG = (60, 101, 177)
ARRIVED = torch.arange(30, 200)


def _answers() -> Tensor:
    """Return the answers of all workers as right ones look, three of them with the sign turned."""
    classes = (torch.arange(200) >= 90).to(torch.int64)
    answers = torch.eye(3, dtype=torch.float64)[classes]
    answers[list(WRONG)] *= -1
    return answers[ARRIVED]


def test_a_served_code_leaves_out_what_is_not_typical_as_it_was_judged() -> None:
    served = ServedTable(TABLE, ATTACHED)
    inner = NerccCode(node_set("chebyshev", queries=50, workers=200), lambda_enc=1e-10, lambda_dec=1e-8)
    reader = AnswerReader(inner, ARRIVED[None], TYPICAL)
    nobody = torch.zeros(1, 1, len(ARRIVED), dtype=torch.bool)
    expected, suspects = reader.read(_answers()[None, None], unusable=nobody, distrust=DISTRUST)
    assert tuple(ARRIVED[suspects[0, 0]].tolist()) == WRONG
    queries = torch.zeros(50, 3, dtype=torch.float64)
    for code in (served.policy(), served.code(stragglers=40), served.code(arrived=170)):
        for each in (nodal(code), code.on(queries)):
            estimates, accused = each.decode(_answers(), ARRIVED, return_suspects=True)
            assert accused == WRONG
            torch.testing.assert_close(estimates, expected[0, 0], atol=1e-9, rtol=0)


def test_a_code_that_does_not_look_at_them_believes_them() -> None:
    table = screening_table(replace(DISTRUST, typical=None), None)
    code = nodal(ServedTable(table, ATTACHED).policy())
    assert code.decode(_answers(), ARRIVED, return_suspects=True)[1] == ()


def test_a_file_is_served_with_what_lies_beside_it(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "table.json", attachments=ATTACHED)
    code = nodal(load_table(tmp_path / "table.json").policy())
    estimates, suspects = code.decode(_answers(), ARRIVED, return_suspects=True)
    assert suspects == WRONG
    assert torch.equal(estimates, nodal(ServedTable(TABLE, ATTACHED).policy()).decode(_answers(), ARRIVED))


@pytest.mark.parametrize("attached", [Attachments(), Attachments(typical={typical_of(seed=1).digest: TYPICAL})])
def test_a_table_that_was_read_without_them_is_refused_in_a_line(attached: Attachments) -> None:
    served = ServedTable(TABLE, attached)
    message = r"^the table's typical answers were not read with it; load it with `nercc_tune\.load_table`\.$"
    for serve in (served.policy, lambda: served.code(stragglers=20), lambda: served.code(arrived=170)):
        with pytest.raises(TableError, match=message):
            serve()


def test_a_file_without_them_is_refused_in_a_line(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "table.json", attachments=ATTACHED)
    typical_path(tmp_path / "table.json").unlink()
    with pytest.raises(TableError, match=r"need `.*table-typical\.safetensors`, which cannot be read"):
        load_table(tmp_path / "table.json")


def test_the_policy_looks_only_for_the_numbers_of_answers_that_say_so() -> None:
    first, second = TABLE.policy.entries  # for up to 20 and up to 40 stragglers
    trusting = replace(first, distrust=None)
    policy = replace(TABLE.policy, entries=(trusting, second))
    code = nodal(ServedTable(replace(TABLE, policy=policy), ATTACHED).policy())
    assert code.decode(_answers(), ARRIVED, return_suspects=True)[1] == WRONG
    more = torch.cat([_answers()[:15], _answers()]), torch.arange(15, 200)
    assert code.decode(*more, return_suspects=True)[1] == ()

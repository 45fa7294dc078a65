"""Tables of codes that distrust answers, served."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune import load_table
from nercc_tune.coding import AnswerReader, DistrustingCode, KrigingCode, NerccCode, node_set
from nercc_tune.errors import TableError
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Design, Distrust, DistrustKind, Kernel, PolicyEntry
from nercc_tune.serving import ServedTable
from tests.served import distrusting_table, nodal, wrong_answers

SCALE = 1e-3  # what right answers deviate here is far less, and wrong ones more
DISTRUST = Distrust(kind="residuals", level=4.0, most=3, scale=SCALE)
KERNEL = Kernel(range=2.0, nugget=1e-3, temperature=1.0)
KINDS: dict[DistrustKind, float] = {"residuals": 4.0, "huber": 3.0, "tukey": 4.0, "median": 9, "rational": 3}
FITTED = Design(ordering="nearest-neighbour", nodes="chord-length", assignment="interleaved", rack=10)
WRONG = (60, 101, 177)
_TIMES = torch.linspace(0, 1, 50, dtype=torch.float64)
QUERIES = torch.stack([_TIMES.sin(), _TIMES.cos(), 1 - _TIMES], dim=1)
IN_NO_ORDER = QUERIES[torch.randperm(50, generator=torch.Generator().manual_seed(0))]


def _shuffled(workers: range) -> list[int]:
    order = torch.randperm(len(workers), generator=torch.Generator().manual_seed(1)).tolist()
    return [workers[at] for at in order]


def _answers(coded: Tensor, arrived: list[int]) -> Tensor:
    """Return what workers answer that give back what they get, three of them in error."""
    noise = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    answers = coded + 1e-4 * noise
    answers[list(WRONG)] += torch.tensor([2.0, -3.0, 1.0], dtype=torch.float64)
    return answers[arrived]


def _reader(kernel: Kernel | None, ascending: Tensor) -> AnswerReader:
    """Return what reads the answers of such a table by hand, of workers in their order."""
    nodes = node_set("chebyshev", queries=50, workers=200)
    inner: NerccCode | KrigingCode = NerccCode(nodes, lambda_enc=1e-10, lambda_dec=1e-8)
    if kernel is not None:
        inner = KrigingCode(nodes, lambda_enc=1e-10, kernel=kernel)
    return AnswerReader(inner, ascending[None])


@pytest.mark.parametrize("kernel", [None, KERNEL], ids=["spline", "kriging"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_served_code_reads_as_the_answers_are_read_wherever_they_are_judged(
    kind: DistrustKind, kernel: Kernel | None
) -> None:
    distrust = Distrust(kind=kind, level=KINDS[kind], most=3, scale=SCALE)
    served = ServedTable(distrusting_table(distrust, kernel=kernel))
    codes = [nodal(served.policy()), nodal(served.code(stragglers=40)), nodal(served.code(arrived=160))]
    arrived = _shuffled(range(40, 200))
    answers = _answers(codes[0].encode(QUERIES), arrived)
    ascending, order = torch.tensor(arrived).sort()
    given, unusable = answers[order][None, None], torch.zeros(1, 1, 160, dtype=torch.bool)
    expected, distrusted = _reader(kernel, ascending).read(given, unusable=unusable, distrust=distrust)
    accused = tuple(ascending[distrusted[0, 0]].tolist())
    assert set(accused) >= set(WRONG) or kind == "median"
    for code in (*codes, *(code.on(QUERIES) for code in codes)):
        assert code.is_distrusting
        for workers, of_workers in ((arrived, answers), (ascending, answers[order])):
            estimates, suspects = code.decode(of_workers, workers, return_suspects=True)
            torch.testing.assert_close(estimates, expected[0, 0], atol=1e-9, rtol=0)
            assert suspects == accused


@pytest.mark.parametrize("kernel", [None, KERNEL], ids=["spline", "kriging"])
def test_a_code_of_a_group_names_the_callers_workers_and_keeps_their_order(kernel: Kernel | None) -> None:
    group = nodal(ServedTable(distrusting_table(DISTRUST, kernel=kernel, design=FITTED)).policy()).on(IN_NO_ORDER)
    arrived = _shuffled(range(30, 200))
    answers = _answers(group.encode(IN_NO_ORDER), arrived)
    estimates, suspects = group.decode(answers, arrived, return_suspects=True)
    assert suspects == WRONG
    kept = [at for at, worker in enumerate(arrived) if worker not in WRONG]
    matrix = group.decoder_matrix([arrived[at] for at in kept])
    torch.testing.assert_close(estimates, matrix @ answers[kept], atol=1e-6, rtol=0)
    assert (estimates - IN_NO_ORDER).abs().max() < 0.1
    assert torch.equal(group.decode(answers, arrived), estimates)


def test_a_file_is_served_with_its_distrust(tmp_path: Path) -> None:
    table = distrusting_table(DISTRUST, kernel=KERNEL)
    (tmp_path / "table.json").write_text(table.to_json(), encoding="utf-8")
    served = load_table(tmp_path / "table.json")
    assert served == ServedTable(table)
    code = served.code(stragglers=20)
    arrived = list(range(20, 200))
    found = code.decode(_answers(code.encode(QUERIES), arrived).numpy(), np.array(arrived), return_suspects=True)
    assert isinstance(found[0], np.ndarray)
    assert found[1] == WRONG


def _mixed() -> TunedTable:
    """Return a table whose policy trusts all of 180 and more answers, and of fewer distrusts up to 3."""
    table = distrusting_table(DISTRUST)
    first, second = table.policy.entries
    trusting: PolicyEntry = replace(first, distrust=None, lambda_dec=1e-7)
    return replace(table, policy=replace(table.policy, entries=(trusting, second)))


@pytest.mark.parametrize(("missing", "suspects"), [(20, ()), (21, WRONG)])
def test_the_policy_distrusts_by_the_number_of_answers(missing: int, suspects: tuple[int, ...]) -> None:
    code = nodal(ServedTable(_mixed()).policy())
    arrived = list(range(missing, 200))
    answers = _answers(code.encode(QUERIES), arrived)
    for each in (code, code.on(QUERIES)):
        estimates, found = each.decode(answers, arrived, return_suspects=True)
        assert found == suspects
        if not suspects:
            torch.testing.assert_close(estimates, each.decoder_matrix(arrived) @ answers)


def test_codes_that_trust_are_not_wrapped() -> None:
    trusting = ServedTable(distrusting_table(None))
    nodes = node_set("chebyshev", queries=50, workers=200)
    assert not nodal(trusting.policy()).is_distrusting
    assert isinstance(nodal(trusting.policy()).at_nodes(nodes), NerccCode)
    mixed = ServedTable(_mixed())
    assert isinstance(nodal(mixed.code(arrived=190)).at_nodes(nodes), NerccCode)
    for code in (mixed.policy(), mixed.code(arrived=170), mixed.code(stragglers=20)):
        assert isinstance(nodal(code).at_nodes(nodes), DistrustingCode)


def test_a_code_that_differs_from_group_to_group_cannot_be_used_directly() -> None:
    code = ServedTable(distrusting_table(DISTRUST, design=FITTED)).policy()
    with pytest.raises(ValueError, match="differs from group to group; take `group ="):
        code.decode(torch.zeros(180, 3), range(20, 200), return_suspects=True)


# At S = 40 no answer may be distrusted beyond 3, so that 157 of the 200 are read at least.
@pytest.mark.parametrize("kind", ["residuals", "median"])
@pytest.mark.parametrize("spoilt", [0, 1, 3])
def test_as_many_answers_may_hold_a_nan_as_may_be_distrusted(kind: DistrustKind, spoilt: int) -> None:
    distrust = Distrust(kind=kind, level=KINDS[kind], most=3, scale=SCALE)
    code = ServedTable(distrusting_table(distrust)).policy()
    for each in (code, code.on(QUERIES)):
        arrived = list(range(40, 200))
        answers = each.encode(QUERIES)[arrived]
        answers[:spoilt, 1] = math.nan
        answers[:1] = math.inf if spoilt else answers[:1]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            estimates, suspects = each.decode(answers, arrived, return_suspects=True)
        assert suspects == tuple(range(40, 40 + spoilt))
        assert estimates.isfinite().all()
        kept = arrived[spoilt:]
        assert torch.equal(estimates, each.decode(answers[spoilt:], kept))


@pytest.mark.parametrize("kind", ["residuals", "median"])
def test_more_answers_with_a_nan_are_refused_in_a_line_that_names_the_bound(kind: DistrustKind) -> None:
    code = ServedTable(distrusting_table(Distrust(kind=kind, level=KINDS[kind], most=3, scale=SCALE))).policy()
    for each in (code, code.on(QUERIES)):
        answers = each.encode(QUERIES)[40:]
        answers[10:14] = math.nan
        message = (
            r"^`arrived` must be from 157 to 200 workers, but got 156; "
            r"answers that hold a NaN or an infinity count as not arrived\.$"
        )
        with pytest.raises(TableError, match=message):
            each.decode(answers, range(40, 200), return_suspects=True)


def test_a_policy_that_trusts_has_the_bound_it_had() -> None:
    group = ServedTable(distrusting_table(None)).policy().on(QUERIES)
    with pytest.raises(TableError, match=r"^`arrived` must be from 160 to 200 workers, but got 159\.$"):
        group.decode(group.encode(QUERIES)[41:], range(41, 200))


def test_a_code_of_one_count_reads_whatever_is_finite() -> None:
    distrust = Distrust(kind="median", level=9, most=3)
    code = ServedTable(distrusting_table(distrust)).code(stragglers=40)
    answers = code.encode(QUERIES)[40:]
    answers[9:] = math.nan
    assert code.decode(answers, range(40, 200), return_suspects=True)[0].isfinite().all()
    answers[8] = math.nan
    assert code.decode(answers, range(40, 200), return_suspects=True)[0].isfinite().all()
    answers[:] = math.nan
    with pytest.raises(ValueError, match="must hold a finite answer, but all 160 have a NaN or infinity"):
        code.decode(answers, range(40, 200), return_suspects=True)


def test_a_policy_with_more_to_distrust_than_arrives_reads_one_answer() -> None:
    code = ServedTable(distrusting_table(replace(DISTRUST, most=500))).policy()
    assert code.decode(torch.ones(1, 3), [7]).isfinite().all()
    with pytest.raises(TableError, match="`arrived` must be from 1 to 200 workers, but got 0; answers that hold a NaN"):
        ServedTable(distrusting_table(replace(DISTRUST, most=500))).code(arrived=0)


def _measured(*shares: float | None) -> ServedTable:
    table = distrusting_table(DISTRUST)
    entries = tuple(
        replace(entry, wrong_answers=None if share is None else wrong_answers(share))
        for entry, share in zip(table.entries, shares, strict=True)
    )
    return ServedTable(replace(table, entries=entries))


def test_suspicions_reckon_with_the_false_alarms_that_were_measured() -> None:
    served = _measured(0.002, 0.004)
    suspicions = served.suspicions(stragglers=20, gap=5000, faulty=0.2)
    assert (suspicions.workers, suspicions.test.false_alarms) == (200, 0.002)
    assert (suspicions.test.gap, suspicions.test.faulty) == (5000, 0.2)
    assert served.suspicions().test.false_alarms == 0.004
    assert _measured(0.002, None).suspicions().test.false_alarms == 0.002


def test_no_false_alarm_on_held_out_draws_is_no_proof_of_none() -> None:
    suspicions = _measured(0.0, 0.0).suspicions()
    assert suspicions.test.false_alarms == 0.001
    for _ in range(3):
        assert suspicions.to_drain == ()
        suspicions.record(range(200), [7])
    assert suspicions.to_drain == (7,)


def test_what_was_not_measured_or_is_too_often_false_makes_no_test() -> None:
    with pytest.raises(TableError, match="the table has no share of false alarms, since its study had no wrong"):
        _measured(None, None).suspicions()
    with pytest.raises(TableError, match="the table has no share of false alarms"):
        _measured(None, 0.1).suspicions(stragglers=20)
    with pytest.raises(TableError, match="`stragglers` must be one of the table's counts 20, 40, but got 30"):
        _measured(0.0, 0.0).suspicions(stragglers=30)
    with pytest.raises(ValueError, match=r"`0 < false_alarms < faulty < 1` must hold, but got 0.3 and 0.1\."):
        _measured(0.3, 0.0).suspicions()

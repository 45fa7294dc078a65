"""A study with wrong answers, from its file to what serves: what it leaves is what was judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import worker_positions
from nercc_tune.export.table import TunedTable, read_table
from nercc_tune.home import Home
from nercc_tune.inference import CellEvaluator, Draws
from nercc_tune.launch.pipeline import launch
from nercc_tune.launch.result import LaunchResult
from nercc_tune.records import ERROR_BASELINES, TunedEntry
from nercc_tune.selection.replication import REPLICATION_KERNEL
from nercc_tune.serving import ServedTable, load_table
from nercc_tune.tuning import closing_storage, open_existing, read_history
from tests.fakes import loader, timeless, tiny_home, tiny_inference, tiny_spec, tiny_workload
from tests.faults.conftest import operate
from tests.faults.operation import finished

__all__ = ["operate"]

KINDS = ("sign-flip", "normal-10", "stale-1", "nan")
STUDY = (
    "code={ queries = 3, workers = 16, stragglers = [2, 4], ordering = 'nearest-neighbour', rack = 4 }",
    "search.objective=prob_mse",
    "search.decoders=['spline', 'kriging', 'berrut-0']",
    "search.decode_spaces=['logits-softmax']",
    "search.assignments=['interleaved']",
    "search.nodes=['uniform']",
    "search.distrusts=['residuals', 'median']",
    "search.trials=1",
    f"errors.kinds={list(KINDS)}",
    "errors.count=2",
    "errors.margin=1",
    "evaluation.tuning_groups=4",
    "evaluation.validation_masks=4",
    "evaluation.heldout_masks=8",
)


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, LaunchResult]:
    home = tiny_home(tmp_path_factory.mktemp("lying"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home.root)  # outside a checkout, whose commit is a part of the table
        patch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
        return home, launch(tiny_spec(*STUDY), home)


@pytest.fixture(scope="module")
def served(launched: tuple[Home, LaunchResult]) -> ServedTable:
    return load_table(launched[0].table("tiny"))


@pytest.fixture(scope="module")
def heldout() -> Draws:
    inference = tiny_inference(tiny_spec(*STUDY))
    return inference.draw("heldout", tuning=inference.draw("tuning"))


def test_the_table_tells_of_every_kind_and_of_rivals(launched: tuple[Home, LaunchResult]) -> None:
    home, result = launched
    table = read_table(home.table("tiny"))
    assert table == result.table
    assert [entry.stragglers for entry in table.policy.entries] == [2, 4]
    for entry in table.entries:
        assert entry.distrust is not None
        assert entry.distrust.most == 3
        judged = entry.wrong_answers
        assert judged is not None
        assert judged.bound == 2
        assert [detection.kind for detection in judged.detections] == list(KINDS)
        assert {detection.wrong for detection in judged.detections} == {2 * 2 * 4}
        nan = judged.detections[-1]
        assert nan.found == nan.wrong
        assert set(ERROR_BASELINES) <= set(entry.baselines)
        assert entry.heldout.prob_mse.mean < entry.baselines["bacc"].prob_mse.mean
    assert any(entry.distrust is not None for entry in table.policy.entries)


def test_every_decoder_is_tried_and_rational_ones_distrust_by_medians_alone(
    launched: tuple[Home, LaunchResult],
) -> None:
    trials = [trial for cell in launched[1].history.cells for trial in cell.trials[1:]]
    options = [option for trial in trials for option in (trial, *trial.options)]
    assert {option.decoder for trial in trials for option in trial.options} == {
        "spline",
        "kriging",
        "berrut-0",
    }
    assert {option.distrust is None for option in options} == {True, False}
    for trial in trials:
        for option in trial.options:
            assert option.profile == ()
            if option.decoder == "berrut-0":
                assert option.distrust is None or option.distrust.kind == "median"


def _position(entry: TunedEntry, draws: Draws) -> Tensor:
    """Return where in β each worker sits."""
    beta = draws.groups.layout(entry.design).nodes.beta
    return worker_positions(entry.design.assignment, beta, rack=entry.design.rack)


def _read(
    entry: TunedEntry, evaluator: CellEvaluator, draws: Draws
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, set[int]]]:
    """Yield of every mask and group what its workers answer and who they are, and the study's reading of it.

    That is the queries [K, …], the answers [F, c] in the decode space, the workers [F], the estimates [K, c] in the
    order of the queries, and the suspects.
    """
    encoding = entry.design.encoding(entry.lambda_enc)
    groups, layout = draws.groups, draws.groups.layout(encoding)
    truth = groups.truth(encoding, entry.design.decode_space)
    right = groups.answers(encoding)
    assert evaluator.errors is not None
    position = _position(entry, draws)
    decoding = evaluator.given.to_decoder(encoding, entry.design.reading, right, truth)
    order = layout.ordered(torch.arange(3).expand(len(right), -1)[..., None])[..., 0]
    arrived = [mask for batch in evaluator.masks.batches for mask in batch]
    for reading in decoding.readings(entry.parameter):
        for row, place in enumerate(reading.given.masks.tolist()):
            liars = evaluator.errors.lies.liars(place)
            said = right[:, position].clone()
            said[:, liars] = evaluator.errors.lies.wrong(
                place, right[:, position], liars, lambda kind: groups.stale(encoding, kind)[:, position]
            )
            numbers = position.argsort()[reading.given.arrived[row]]
            for group, queries in enumerate(draws.outputs.groups.queries):
                estimates = torch.empty_like(reading.estimates[row, group])
                estimates[order[group]] = reading.estimates[row, group]
                suspects = set(numbers[reading.suspects[row, group]].tolist())
                given = truth.answers(said)[group, arrived[place]].double()
                yield queries, given, arrived[place], estimates, suspects


def test_what_serves_reads_answers_as_the_study_did_and_names_whom_it_distrusted(
    served: ServedTable, heldout: Draws
) -> None:
    named = 0
    for entry in served.table.entries:
        evaluator = heldout.evaluators[entry.stragglers]
        for queries, answers, workers, estimates, suspects in _read(entry, evaluator, heldout):
            code = served.code(stragglers=entry.stragglers).on(queries)
            shuffled = torch.randperm(len(workers), generator=torch.Generator().manual_seed(0))
            for order in (torch.arange(len(workers)), shuffled):
                found, distrusted = code.decode(answers[order], workers[order], return_suspects=True)
                assert set(distrusted) == suspects
                torch.testing.assert_close(found, estimates, rtol=1e-6, atol=1e-6)
            named += len(suspects)
    assert named


def test_what_serves_sends_what_the_study_sent(served: ServedTable, heldout: Draws) -> None:
    model = tiny_workload().model
    for entry in served.table.entries:
        code = served.code(stragglers=entry.stragglers)
        answers = heldout.groups.answers(entry.design.encoding(entry.lambda_enc))
        for queries, expected in zip(heldout.outputs.groups.queries, answers, strict=True):
            found = model(code.on(queries).encode(queries))
            position = _position(entry, heldout)
            torch.testing.assert_close(found, expected[position], rtol=1e-4, atol=1e-4)  # float32, up to 20


def test_held_out_errors_are_those_of_what_serves(served: ServedTable, heldout: Draws) -> None:
    model = tiny_workload().model
    for entry in served.table.entries:
        errors = []
        for queries, answers, workers, _, _ in _read(entry, heldout.evaluators[entry.stragglers], heldout):
            estimates = (
                served.code(stragglers=entry.stragglers).on(queries).decode(answers, workers, return_suspects=True)[0]
            )
            if entry.design.decode_space == "logits-softmax":
                estimates = estimates.softmax(-1)
            errors.append((estimates - model(queries).softmax(-1)).square().sum(-1).mean())
        assert float(torch.stack(errors).mean()) == pytest.approx(entry.heldout.prob_mse.mean, rel=1e-3)


def test_the_policy_of_several_counts_serves_each(served: ServedTable, heldout: Draws) -> None:
    policy = served.policy()
    (queries, *_) = heldout.outputs.groups.queries
    answers = tiny_workload().model(policy.on(queries).encode(queries))
    for missing in (0, 2, 3, 4):
        arrived = torch.arange(missing, 16)
        estimates, suspects = policy.on(queries).decode(answers[arrived], arrived, return_suspects=True)
        assert estimates.isfinite().all()
        assert set(suspects) <= set(arrived.tolist())


def test_launching_again_searches_nothing_and_runs_no_model(
    launched: tuple[Home, LaunchResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, result = launched
    with closing_storage(open_existing(home.storage_url)) as storage:
        before = read_history(storage, "tiny")
    monkeypatch.chdir(home.root)
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    again = launch(tiny_spec(*STUDY), home)
    assert again.table == result.table
    assert sum(again.forwards.values()) == 0
    for cell, same in zip(again.history.cells, before.cells, strict=True):
        assert timeless(cell.trials) == timeless(same.trials)


@pytest.mark.parametrize(
    "liars", ["probability = 0.15", pytest.param("count = 1, sticky = true", marks=pytest.mark.slow)]
)
def test_studies_with_random_counts_of_stragglers_and_liars_have_tables(
    liars: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    masks = [f"evaluation.{part}_masks=30" for part in ("tuning", "validation", "heldout")]
    spec = tiny_spec(
        "code={ queries = 3, workers = 16 }",
        "straggling={ model = 'independent', probability = 0.3, strata = 2 }",
        "search.objective=agreement",
        "search.decoders=['kriging']",
        "search.distrusts=['residuals', 'median']",
        "search.trials=1",
        f"errors={{ kinds = ['sign-flip', 'nan'], {liars} }}",
        *masks,
    )
    table = launch(spec, tiny_home(tmp_path)).table
    assert len(table.entries) == len(table.policy.entries) == 2
    for entry in table.entries:
        assert entry.wrong_answers is not None
        assert [detection.kind for detection in entry.wrong_answers.detections] == ["sign-flip", "nan"]
    code = load_table(Home(tmp_path).table("tiny")).policy()
    answers = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    assert code.decode(answers, range(16)).isfinite().all()


@pytest.mark.slow
def test_two_search_workers_find_what_one_finds(operate: object) -> None:
    """With the sampler `random` a proposal depends on its number alone, whoever evaluates it."""
    assert callable(operate)
    overrides = (
        "code.queries=2",
        "search.objective=prob_mse",
        "search.distrusts=['residuals', 'median']",
        "errors={ kinds = ['sign-flip', 'nan'], count = 1 }",
    )
    alone, together = (operate(name, trials=3, overrides=overrides) for name in ("alone", "together"))
    finished(alone.launch(workers=1))
    assert "searching with 2 workers" in finished(together.launch(workers=2))
    first, second = (TunedTable.from_history(study.history()).entries for study in (alone, together))
    assert [entry.parameter for entry in first] == [entry.parameter for entry in second]
    assert [entry.wrong_answers for entry in first] == [entry.wrong_answers for entry in second]


def test_replication_is_served_with_copies_that_find_who_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))
    spec = tiny_spec(
        "code={ queries = 3, workers = 12, stragglers = [1] }",
        "errors={ kinds = ['sign-flip', 'nan'], count = 1, margin = 1 }",
        "evaluation.replication=true",
        "search.objective=prob_mse",
        "search.trials=1",
    )
    (entry,) = launch(spec, Home(tmp_path)).table.entries
    assert entry.candidates[-1].proposal is None
    assert (entry.design.nodes, entry.kernel) == ("copies-4", REPLICATION_KERNEL)
    assert entry.distrust is not None
    assert entry.distrust.kind == "copies"
    assert entry.wrong_answers is not None
    assert {each.kind: each.found_share for each in entry.wrong_answers.detections} == {"sign-flip": 1, "nan": 1}
    assert [each.accused for each in entry.wrong_answers.detections] == [0, 0]
    table = load_table(Home(tmp_path).table("tiny"))
    queries = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    for code in (table.code(stragglers=1), table.policy()):
        group = code.on(queries)
        right = group.encode(queries).softmax(-1)
        for liar in range(12):
            answers = right.clone()
            answers[liar] = (-group.encode(queries)[liar]).softmax(-1)
            arrived = [worker for worker in range(12) if worker != (liar + 1) % 12]
            estimates, suspects = group.decode(answers[arrived], arrived, return_suspects=True)
            assert suspects == (liar,)
            torch.testing.assert_close(estimates, queries.softmax(-1), atol=1e-5, rtol=0)

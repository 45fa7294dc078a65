"""Baselines among liars, by hand; those without are measured as they are served in `test_evaluation`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.coding import BASELINE_CODES, BerrutCode, NerccCode, locate, worker_positions
from nercc_tune.inference import MaskedMetrics
from nercc_tune.inference.stale import stale_network
from nercc_tune.records import ERROR_BASELINES, Design
from tests.fakes import tiny_model
from tests.inference.lying import Lying, Seeing

WORKERS, QUERIES = 16, 3
PLAIN = [name for name in BASELINE_CODES if name != "nercc_ag"]


@pytest.fixture(scope="module", params=["identity", "interleaved"])
def lying(request: pytest.FixtureRequest) -> Lying:
    """Return a cell whose baselines decode logits, after which there is a softmax."""
    design = f"assignment = '{request.param}', decode_space = 'logits-softmax', ordering = 'nearest-neighbour'"
    return Lying.of(f"code={{ queries = 3, workers = 16, stragglers = [3], rack = 4, {design} }}")


def _answers(lying: Lying, encoder: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield for each mask what an encoder's workers answer, [G, F', c] of those that are numbers, and where they sit.

    The encoder is of the queries in the order of the nodes. Lies are those of the cell, told of these answers.
    """
    layout, lies = lying.draws.groups.layout(lying.spec.reference), lying.errors.lies
    position = worker_positions(lying.spec.code.assignment, layout.nodes.beta, rack=4)
    queries = layout.ordered(lying.draws.outputs.groups.queries)
    coded = torch.einsum("nk,gkd->gnd", encoder.to(queries), queries)
    with torch.inference_mode():
        right, stale = tiny_model()(coded), stale_network(tiny_model(), 0.5, seed=0)(coded)
    for place, workers in enumerate(lying.arrived):
        liars = lies.liars(place)
        said = right.clone()
        said[:, position[liars]] = lies.wrong(place, right, position[liars], lambda _: stale)
        arrived = position[workers].sort().values
        usable = arrived[said[:, arrived].isfinite().all(-1).all(0)]
        yield said[:, usable].double(), usable


def _measured(lying: Lying, estimates: list[Tensor]) -> Tensor:
    """Return the squared error in probabilities of estimates [G, K, c] of each mask, [G, M]."""
    truth = lying.draws.groups.truth(lying.spec.reference, "logits-softmax").probabilities
    errors = [(each.float().softmax(-1) - truth).square().sum(-1).double().mean(-1) for each in estimates]
    return torch.stack(errors, 1)


def _assert_same(found: MaskedMetrics, expected: Tensor) -> None:
    # The model saw the same queries in batches of other sizes, whose answers are up to 20.
    torch.testing.assert_close(found.prob_mse, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", PLAIN)
def test_a_baseline_decodes_what_it_is_told_but_no_nan(name: str, lying: Lying) -> None:
    code = BASELINE_CODES[name](lying.draws.groups.layout(lying.spec.reference).nodes)
    expected = [code.decoder_matrix(arrived) @ answers for answers, arrived in _answers(lying, code.encoder_matrix)]
    _assert_same(lying.evaluator.baseline_metrics(name), _measured(lying, expected))


def test_the_untuned_spline_is_among_them(lying: Lying) -> None:
    nodes = lying.draws.groups.layout(lying.spec.reference).nodes
    code = NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0)
    expected = [code.decoder_matrix(arrived) @ answers for answers, arrived in _answers(lying, code.encoder_matrix)]
    found = lying.evaluator.baseline_metrics("nercc_ag")
    torch.testing.assert_close(found.prob_mse, _measured(lying, expected), rtol=1e-3, atol=1e-4)


def test_a_vote_takes_the_median_of_the_copies(lying: Lying) -> None:
    code = BASELINE_CODES["replication"](lying.draws.groups.layout(lying.spec.reference).nodes)
    carried = code.encoder_matrix.argmax(-1)
    expected = []
    for answers, arrived in _answers(lying, code.encoder_matrix):
        found = np.full((4, QUERIES, 4), np.nan)
        for query in range(QUERIES):
            copies = answers[:, carried[arrived] == query].numpy()
            if copies.shape[1]:
                found[:, query] = np.median(copies, axis=1)
        mean = np.nanmean(found, axis=1, keepdims=True)
        expected.append(torch.from_numpy(np.where(np.isnan(found), mean, found)))
    _assert_same(lying.evaluator.baseline_metrics("vote"), _measured(lying, expected))


@pytest.mark.parametrize(("liars", "found"), [(2, 2), (5, 4)])
def test_approxifer_leaves_out_as_many_as_its_locator_is_told_are_left(liars: int, found: int) -> None:
    """Where liars answer no numbers nobody is left to be found; of 13 answers to 3 queries 4 can be borne."""
    lying = Lying.of("code.ordering=nearest-neighbour", "code.decode_space=logits-softmax", f"errors.count={liars}")
    nodes = lying.draws.groups.layout(lying.spec.reference).nodes
    code = BerrutCode(nodes)
    expected, located = [], 0
    for answers, arrived in _answers(lying, code.encoder_matrix):
        errors = min(liars - (13 - len(arrived)), (len(arrived) + 1) // 2 - QUERIES)
        rows = []
        for group in answers:
            wrong = torch.zeros(len(arrived), dtype=torch.bool)
            if errors:
                wrong = locate(nodes.beta[arrived], group[None], queries=QUERIES, errors=errors)[0]
                located += int(wrong.sum())
            rows.append(code.decoder_matrix(arrived[~wrong]) @ group[~wrong])
        expected.append(torch.stack(rows))
    assert located == found * 4 * 10  # of 14 masks those whose lies are numbers
    _assert_same(lying.evaluator.baseline_metrics("approxifer"), _measured(lying, expected))


def test_where_nodes_coincide_approxifer_has_no_locator() -> None:
    lying = Lying.of("search.nodes=['copies']", "search.copies=[2]")
    design = Design(nodes="copies-2", rack=4)
    assert torch.equal(
        lying.evaluator.baseline_metrics("approxifer", design).prob_mse,
        lying.evaluator.baseline_metrics("bacc", design).prob_mse,
    )


def test_a_query_without_a_copy_is_voted_the_mean_of_all_others() -> None:
    few = Lying.of("code={ queries = 3, workers = 6, stragglers = [3] }", "errors.count=0", "errors.kinds=['nan']")
    code = BASELINE_CODES["replication"](few.draws.groups.layout(few.spec.reference).nodes)
    carried = code.encoder_matrix.argmax(-1)
    plain = few.draws.groups.truth(few.spec.reference, "probabilities").outputs
    lost = [place for place, mask in enumerate(few.arrived) if len(set(carried[mask].tolist())) < QUERIES]
    assert lost
    errors = few.evaluator.baseline_metrics("vote").prob_mse
    for place in lost:
        has = [query in carried[few.arrived[place]].tolist() for query in range(QUERIES)]
        mean = plain[:, torch.tensor(has)].mean(1)
        expected = (
            sum((mean - plain[:, query]).square().sum(-1) for query in range(QUERIES) if not has[query]) / QUERIES
        )
        torch.testing.assert_close(errors[:, place], torch.as_tensor(expected).double(), rtol=1e-4, atol=1e-9)


def test_stale_answers_are_to_a_baselines_own_queries_and_asked_for_once() -> None:
    model = Seeing()
    lying = Lying.of("errors.kinds=['stale-0.5']", model=model)
    images = [sum(model.seen)]
    for name in ("bacc", "approxifer", "replication", "vote", "uncoded"):
        lying.evaluator.baseline_metrics(name)
        images.append(sum(model.seen))
    # Berrut's workers and their stale answers; replication's, which plain queries stand for; one copy of each query.
    assert np.diff(images).tolist() == [4 * 2 * WORKERS, 0, 4 * WORKERS, 0, 4 * WORKERS]
    assert lying.draws.outputs.reused < 14  # masks do not ask again


@pytest.mark.parametrize("name", ERROR_BASELINES)
def test_where_nobody_lies_its_rivals_are_the_codes_they_are_made_of(name: str, lying: Lying) -> None:
    plain = {"approxifer": "bacc", "vote": "replication"}[name]
    honest = lying.evaluator._where_nobody_lies
    assert torch.equal(honest.baseline_metrics(name).prob_mse, honest.baseline_metrics(plain).prob_mse)

"""What decoders are given: right answers, and in their places those of liars."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import worker_positions
from nercc_tune.inference.decoders import DistrustingDecoding
from nercc_tune.inference.stale import stale_network
from nercc_tune.inference.wrong_answers import GivenBatch
from nercc_tune.records import DECODE_SPACES, DecodeSpace, Encoding, Reading
from tests.fakes import tiny_model
from tests.inference.lying import KINDS, Lying

ENCODINGS = [
    Encoding(ordering="nearest-neighbour", nodes=nodes, lambda_enc=lambda_enc)
    for nodes, lambda_enc in (("uniform", 1e-3), ("copies-2", 0.0), ("copies-2", 1e-4))
]
PLAIN: Reading = ("identity", "logits", "spline")


@pytest.fixture(scope="module")
def lying() -> Lying:
    return Lying.of("search.nodes=['uniform', 'copies']", "search.copies=[2]")


def _masks(decoding: DistrustingDecoding) -> Iterator[tuple[int, GivenBatch, int]]:
    """Yield the place of every mask with the batch it is in, and its row there."""
    for batch in decoding.given.each():
        for row, place in enumerate(batch.masks.tolist()):
            yield place, batch, row


def _in_space(outputs: Tensor, space: DecodeSpace) -> Tensor:
    return outputs.softmax(-1) if space == "probabilities" else outputs


def _lie(kind: str, right: Tensor, stale: Tensor) -> Tensor | None:
    """Return what a liar answers; None for kinds that are random."""
    answers = {
        "sign-flip": -right,
        "stale-0.5": stale,
        "constant-2": torch.full_like(right, 2.0),
        "nan": torch.full_like(right, torch.nan),
        "infinity": torch.full_like(right, torch.inf),
    }
    return answers.get(kind)


@pytest.mark.parametrize("space", DECODE_SPACES)
@pytest.mark.parametrize("assignment", ["identity", "interleaved"])
@pytest.mark.parametrize("encoding", ENCODINGS, ids=["uniform", "copies", "smooth-copies"])
def test_answers_are_those_of_the_workers_that_sit_there(
    encoding: Encoding, assignment: str, space: DecodeSpace, lying: Lying
) -> None:
    """Each worker answers, rightly or not, what the model makes of its own coded query, wherever it sits."""
    reading: Reading = (assignment, space, "spline")
    design = lying.design(encoding, reading)
    beta = lying.draws.groups.layout(encoding).nodes.beta
    position = worker_positions(assignment, beta, rack=4)
    right = lying.outputs(design, encoding.lambda_enc, tiny_model())
    stale = lying.outputs(design, encoding.lambda_enc, stale_network(tiny_model(), 0.5, seed=0))
    kinds = set()
    for place, batch, row in _masks(lying.decoding(encoding, reading)):
        workers = lying.arrived[place]
        by_position = workers[position[workers].argsort()]
        assert torch.equal(batch.arrived[row], position[by_position])
        liars = lying.errors.lies.liars(place)
        assert len(liars) == 2
        assert torch.equal(batch.lying[row], torch.isin(by_position, liars))
        kind = lying.errors.lies.kind(place).label
        kinds.add(kind)
        expected = _in_space(right[:, by_position], space).double()
        wrong = _lie(kind, right[:, by_position], stale[:, by_position])
        found, is_lie = batch.answers[row], batch.lying[row]
        # The model saw the same queries in batches of other sizes, and its answers are up to 20.
        torch.testing.assert_close(found[:, ~is_lie], expected[:, ~is_lie], rtol=1e-5, atol=1e-4)
        assert torch.equal(batch.unusable[row], is_lie.expand(4, -1) & (kind in ("nan", "infinity")))
        if kind in ("nan", "infinity"):
            assert not found[:, is_lie].any()
        elif wrong is None:
            assert (found - expected)[:, is_lie].abs().max() > 0.1
        else:
            lies = _in_space(wrong, space).double()[:, is_lie]
            torch.testing.assert_close(found[:, is_lie], lies, rtol=1e-5, atol=1e-4)
    assert kinds == set(KINDS)


def _said_and_meant(lying: Lying, encoding: Encoding, kind: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield for the masks of a kind what all workers answer and what they should, and where in β they sit."""
    decoding = lying.decoding(encoding, PLAIN)
    for (place, batch, row), (_, right, _) in zip(_masks(decoding), _masks(decoding.honest()), strict=True):
        if lying.errors.lies.kind(place).label == kind:
            yield batch.answers[row], right.answers[row], batch.arrived[row]


def test_another_query_is_what_the_same_worker_answers_for_another_group(lying: Lying) -> None:
    for said, meant, _ in _said_and_meant(lying, ENCODINGS[0], "other-query"):
        is_lie = (said != meant).any(-1).any(0)
        assert is_lie.sum() == 2
        assert any(torch.equal(said[:, is_lie], meant[:, is_lie].roll(-shift, 0)) for shift in (1, 2, 3))


def test_noise_is_the_same_for_every_encoder(lying: Lying) -> None:
    noise = []
    for encoding in ENCODINGS[:2]:
        beta = lying.draws.groups.layout(encoding).nodes.beta
        number = worker_positions("identity", beta).argsort()
        noise.append(
            [
                (said - meant)[:, number[arrived].argsort()]
                for said, meant, arrived in _said_and_meant(lying, encoding, "normal-10")
            ]
        )
    for first, second in zip(*noise, strict=True):
        assert (first != 0).any(-1).sum() == 2 * 4
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)  # of float32 answers up to 20


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_nobody_lies_where_honesty_is_asked_for(space: DecodeSpace, lying: Lying) -> None:
    reading: Reading = ("identity", space, "spline")
    decoding = lying.decoding(ENCODINGS[0], reading)
    answers = lying.truth(ENCODINGS[0], reading).answers(lying.draws.groups.answers(ENCODINGS[0])).double()
    for _, batch, row in _masks(decoding.honest()):
        assert torch.equal(batch.answers[row], answers[:, batch.arrived[row]])
        assert not batch.lying.any()
        assert not batch.unusable.any()


def test_right_answers_stay_as_they_are_beside_wrong_ones(lying: Lying) -> None:
    decoding = lying.decoding(ENCODINGS[0], PLAIN)
    before = lying.draws.groups.answers(ENCODINGS[0]).clone()
    for (_, batch, row), (_, right, _) in zip(_masks(decoding), _masks(decoding.honest()), strict=True):
        is_right = ~batch.lying[row]
        assert torch.equal(batch.answers[row][:, is_right], right.answers[row][:, is_right])
    assert torch.equal(lying.draws.groups.answers(ENCODINGS[0]), before)


def test_many_answers_are_given_in_parts(lying: Lying, monkeypatch: pytest.MonkeyPatch) -> None:
    together = list(_masks(lying.decoding(ENCODINGS[0], PLAIN)))
    monkeypatch.setattr("nercc_tune.inference.wrong_answers._AT_ONCE", 1)
    parts = list(_masks(lying.decoding(ENCODINGS[0], PLAIN)))
    assert {len(batch.masks) for _, batch, _ in parts} == {1}
    for (place, batch, row), (same, part, at) in zip(together, parts, strict=True):
        assert place == same
        assert torch.equal(batch.answers[row], part.answers[at])
        assert torch.equal(batch.unusable[row], part.unusable[at])


def test_some_masks_and_groups_have_the_answers_that_all_have(lying: Lying) -> None:
    """The exchanged groups among them, though nobody else's answers are looked at."""
    decoding = lying.decoding(ENCODINGS[0], PLAIN)
    masks, groups = torch.tensor([2, 3, 9]), torch.tensor([1, 3])
    some = list(_masks(decoding.thinned(masks, groups)))
    assert [place for place, _, _ in some] == masks.tolist()
    every = {place: batch.answers[row] for place, batch, row in _masks(decoding)}
    for place, batch, row in some:
        assert torch.equal(batch.answers[row], every[place][groups])


def test_the_cell_counts_its_liars(lying: Lying) -> None:
    assert (lying.errors.liars, lying.errors.most) == (2, 3)
    assert lying.errors.distrusts == ("residuals", "copies")
    nobody = Lying.of("errors.count=0")
    assert (nobody.errors.liars, nobody.errors.most) == (0, 1)
    some = Lying.of("errors={ kinds = ['normal-1'], probability = 0.3, margin = 2 }")
    counts = [len(some.errors.lies.liars(mask)) for mask in range(14)]
    assert (some.errors.liars, some.errors.most) == (max(counts), max(counts) + 2)
    assert len(set(counts)) > 1


def test_liars_stay_with_their_masks_where_the_number_of_answers_is_random() -> None:
    spec = ("code={ queries = 3, workers = 16 }", "straggling.model=independent", "straggling.probability=0.3")
    random = Lying.of(*spec, "straggling.strata=1", "errors.kinds=['constant-2']", stragglers=None)
    decoding = random.decoding(Encoding(), PLAIN)
    assert len(decoding.given.batches) > 2
    for place, batch, row in _masks(decoding):
        liars = random.errors.lies.liars(place)
        assert set(liars.tolist()) <= set(random.arrived[place].tolist())
        assert torch.equal(batch.arrived[row][batch.lying[row]], liars)
        assert torch.equal((batch.answers[row] == 2).all(-1).all(0), batch.lying[row])

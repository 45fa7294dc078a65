"""The search for the best distrust, on answers of which some are wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from nercc_tune.inference import measure
from nercc_tune.inference.decoders.distrust_search import COPIES_LEVELS, LEVELS, Sweep, best_distrust
from nercc_tune.inference.decoders.distrusting import DistrustingDecoding
from nercc_tune.inference.metrics import Truth
from nercc_tune.records import (
    DECODE_SPACES,
    DecoderKind,
    DecodeSpace,
    Distrust,
    Distrusting,
    Encoding,
    Goal,
    Kernel,
    Parameter,
    Reading,
    Score,
    Trusting,
)
from tests.inference.lying import Lying, Seeing

ENCODING = Encoding(nodes="uniform", lambda_enc=1e-6)
GOAL = Goal(metric="prob_mse")
CODE = "code={ queries = 3, workers = 28, stragglers = [3], rack = 4 }"
FEW = (CODE, "evaluation.tuning_groups=3", *(f"evaluation.{part}_masks=7" for part in ("tuning", "heldout")))
SOME = "search.distrusts=['residuals', 'tukey', 'polynomial']"
DECODERS: tuple[DecoderKind, ...] = ("spline", "kriging", "calibrated", "berrut-0")


@pytest.fixture(scope="module")
def lying() -> Lying:
    return Lying.of(*FEW, SOME, "search.decoders=['calibrated']")


def _reading(decoder: DecoderKind) -> Reading:
    return "identity", "logits-softmax", decoder


@cache
def _found(lying: Lying, decoder: DecoderKind, goal: Goal = GOAL) -> tuple[Trusting, Parameter, Score]:
    """Return what is best where nobody lies, what was found, and its score."""
    reading = _reading(decoder)
    start = lying.evaluator.best_trusting(ENCODING, reading)
    decoding, truth = lying.decoding(ENCODING, reading), lying.truth(ENCODING, reading)
    return start, *best_distrust(decoding, truth, goal, start=start, errors=lying.errors)


def _score(lying: Lying, decoder: DecoderKind, parameter: Parameter, *, honest: bool = False) -> Score:
    decoding = lying.decoding(ENCODING, _reading(decoder))
    estimates = (decoding.honest() if honest else decoding).estimates(parameter)
    return measure(estimates, lying.truth(ENCODING, _reading(decoder))).score()


@pytest.mark.parametrize("decoder", DECODERS)
def test_what_is_found_is_no_worse_than_trusting_on_the_tuning_draws(decoder: DecoderKind, lying: Lying) -> None:
    start, parameter, score = _found(lying, decoder)
    assert score == _score(lying, decoder, parameter)
    assert score.prob_mse <= _score(lying, decoder, start).prob_mse
    if decoder != "berrut-0":
        assert isinstance(parameter, Distrusting)
        assert parameter.distrust.most == lying.errors.most
        assert score.prob_mse < 0.5 * _score(lying, decoder, start).prob_mse
    else:
        assert parameter == start == 0.0


@pytest.mark.parametrize("metric", ["agreement", "mse"])
def test_other_goals_are_ranked_by_what_they_ask_for(metric: str, lying: Lying) -> None:
    goal = Goal(metric="agreement") if metric == "agreement" else Goal()
    start, _, score = _found(lying, "kriging", goal)
    assert goal.rank(score) <= goal.rank(_score(lying, "kriging", start))


@pytest.mark.parametrize("decoder", ["spline", "kriging", "calibrated"])
def test_what_is_found_costs_little_where_nobody_lies(decoder: DecoderKind, lying: Lying) -> None:
    """All three groups and seven masks are looked at, and so what the search saw is what is measured here."""
    start, parameter, _ = _found(lying, decoder)
    cost = _score(lying, decoder, parameter, honest=True).prob_mse / _score(lying, decoder, start, honest=True).prob_mse
    assert cost <= 1.01 * (1 + 1e-3)  # of what sweeps doubt besides


def test_a_distrust_that_costs_more_is_not_taken_though_it_finds_more(monkeypatch: pytest.MonkeyPatch) -> None:
    careful = Lying.of(*FEW, "search.distrusts=['median']")
    start, parameter, score = _found(careful, "spline")
    assert parameter == start
    monkeypatch.setattr("nercc_tune.inference.decoders.distrust_search._COST", math.inf)
    _found.cache_clear()
    _, reckless, better = _found(careful, "spline")
    assert isinstance(reckless, Distrusting)
    assert better.prob_mse < score.prob_mse
    assert _score(careful, "spline", reckless, honest=True).prob_mse > (
        1.01 * _score(careful, "spline", start, honest=True).prob_mse
    )


@pytest.mark.parametrize("decoder", ["spline", "berrut-0"])
def test_where_nobody_lies_nothing_is_lost(decoder: DecoderKind) -> None:
    honest = Lying.of(*FEW, SOME, "errors.count=0", "search.decoders=['calibrated']")
    start, _, score = _found(honest, decoder)
    assert score.prob_mse <= _score(honest, decoder, start).prob_mse
    assert _score(honest, decoder, start) == _score(honest, decoder, start, honest=True)


def test_a_choice_on_some_draws_is_not_taken_where_all_draws_say_otherwise(
    lying: Lying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a single mask, on which somebody is lucky."""
    monkeypatch.setattr("nercc_tune.inference.decoders.distrust_search._COST", math.inf)
    harmful = Distrust(kind="median", level=15.0, most=3)
    few: list[Distrust] = []

    def only(*_: object, **__: object) -> Iterator[Distrust]:
        few.append(harmful)
        yield harmful

    def lucky(decoding: DistrustingDecoding, truth: Truth, _: object) -> tuple[DistrustingDecoding, Truth]:
        sweep = decoding.thinned(torch.tensor([6]), torch.arange(3))
        return sweep, replace(
            truth, outputs=torch.cat(list(sweep.estimates(Distrusting(trusting=1e-6, distrust=harmful))))[0].softmax(-1)
        )

    monkeypatch.setattr("nercc_tune.inference.decoders.distrust_search._distrusts", only)
    monkeypatch.setattr("nercc_tune.inference.decoders.distrust_search._thinned", lucky)
    decoding, truth = lying.decoding(ENCODING, _reading("berrut-0")), lying.truth(ENCODING, _reading("berrut-0"))
    with_harm, without = (
        _score(lying, "berrut-0", each).prob_mse for each in (Distrusting(trusting=0.0, distrust=harmful), 0.0)
    )
    assert with_harm > without
    found, score = best_distrust(decoding, truth, GOAL, start=0.0, errors=lying.errors)
    assert few
    assert (found, score.prob_mse) == (0.0, without)


def test_no_distrust_runs_the_model() -> None:
    """Stale answers take one pass for an encoder; every mask, decoder and setting reads them again."""
    model = Seeing()
    lying = Lying.of(*FEW, "search.distrusts=['residuals', 'median', 'rational']", model=model)
    once = 3 * (3 + 28 + 28)  # groups of plain queries, coded ones, and the same again for stale weights
    lying.evaluator.best(ENCODING, [_reading("spline"), _reading("berrut-0")])
    assert sum(model.seen) == once
    assert lying.draws.outputs.forwards == 1 + 1 + 1
    for reading in (_reading("kriging"), _reading("calibrated"), _reading("berrut-2")):
        trusting = lying.evaluator.best_trusting(ENCODING, reading)
        for kind in ("median", "polynomial", "rational"):
            parameter = Distrusting(trusting=trusting, distrust=Distrust(kind=kind, level=3.0, most=3))
            lying.evaluator.metrics(lying.design(ENCODING, reading), ENCODING.lambda_enc, parameter)
    assert sum(model.seen) == once
    assert lying.draws.outputs.forwards == 1 + 1 + 1


@pytest.mark.parametrize("start", [1e-5, Kernel(range=0.7, nugget=1e-3)])
@pytest.mark.parametrize("typical", [None, 25.0])
def test_a_sweep_reads_as_the_decoder_does(start: Trusting, typical: float | None, lying: Lying) -> None:
    """At the least level exactly; at others it doubts more, which residuals believe again all the same."""
    decoding = lying.decoding(ENCODING, _reading("spline" if isinstance(start, float) else "kriging"))
    sweep = Sweep(decoding, start)

    def both(distrust: Distrust) -> tuple[Tensor, Tensor]:
        found = torch.cat(list(sweep.estimates(distrust)))
        return found, torch.cat(list(decoding.estimates(Distrusting(trusting=start, distrust=distrust))))

    for kind in ("residuals", "huber", "tukey"):
        least = Distrust(kind=kind, level=min(LEVELS), most=3, scale=2.0, typical=typical)
        found, expected = both(least)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    same = 0
    for level in LEVELS:
        found, expected = both(Distrust(kind="residuals", level=level, most=3, scale=2.0, typical=typical))
        same += int(((found - expected).abs().amax((-1, -2)) < 1e-3).sum())
    assert same >= 0.95 * len(LEVELS) * 7 * 3


def _thinned(lying: Lying, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Return at which masks a search looks that may look at few."""
    seen: list[Tensor] = []
    plain = DistrustingDecoding.thinned

    def thinned(self: DistrustingDecoding, masks: Tensor, groups: Tensor) -> DistrustingDecoding:
        seen.append(masks)
        return plain(self, masks, groups)

    monkeypatch.setattr("nercc_tune.inference.decoders.distrust_search._ANSWERS", 1)
    monkeypatch.setattr(DistrustingDecoding, "thinned", thinned)
    _found.cache_clear()
    _found(lying, "berrut-0")
    (masks,) = seen
    return masks


def test_a_mask_of_every_kind_is_looked_at_however_large_the_answers_are(
    lying: Lying, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = _thinned(lying, monkeypatch)
    assert {lying.errors.lies.kind(mask) for mask in masks.tolist()} == set(lying.errors.lies.kinds)


def test_masks_are_looked_at_as_they_were_drawn_and_not_those_with_most_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = ("code={ queries = 3, workers = 16 }", "straggling.model=independent", "straggling.probability=0.3")
    masks = [f"evaluation.{part}_masks=60" for part in ("tuning", "validation", "heldout")]
    random = Lying.of(*spec, *masks, "straggling.strata=1", "errors.kinds=['constant-2']", stragglers=None)
    drawn = random.evaluator.masks.order[_thinned(random, monkeypatch)]
    assert sorted(drawn.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["nan", "infinity"])
def test_medians_are_tried_though_fewer_answers_than_parts_are_numbers(kind: str) -> None:
    """Of 11 answers, of which more than half are no numbers under some mask."""
    liars = f"errors={{ kinds = ['{kind}', 'constant-2'], probability = 0.45 }}"
    few = "code={ queries = 3, workers = 14, stragglers = [3] }"
    spoilt = Lying.of(few, "search.distrusts=['median']", liars, "evaluation.tuning_masks=24", "evaluation.seed=2")
    lies = spoilt.errors.lies
    assert min(11 - len(lies.liars(mask)) for mask in range(24) if lies.kind(mask).name == kind) < 5
    _, _, score = _found(spoilt, "spline")
    assert math.isfinite(score.prob_mse)


COPIES = ("errors.kinds=['sign-flip', 'constant-2', 'nan']", "code={ queries = 3, workers = 12, stragglers = [1] }")
MANY = tuple(f"evaluation.{part}_masks=12" for part in ("tuning", "validation", "heldout"))
REPLICATION = Encoding(nodes="copies-4")


@pytest.fixture(scope="module")
def copied() -> Lying:
    return Lying.of(*COPIES, *MANY, "errors.count=1", stragglers=1)


def _of_copies(lying: Lying, space: DecodeSpace = "probabilities") -> tuple[Parameter, DistrustingDecoding]:
    """Return what is found for plain copies, of queries that say nothing of each other, and their decoding."""
    reading: Reading = ("identity", space, "kriging")
    decoding, truth = lying.decoding(REPLICATION, reading), lying.truth(REPLICATION, reading)
    errors = replace(lying.errors, distrusts=("copies",))
    return best_distrust(decoding, truth, GOAL, start=Kernel(range=0.0), errors=errors)[0], decoding


@pytest.mark.parametrize("space", DECODE_SPACES)
def test_of_four_copies_the_one_that_lies_is_found(space: DecodeSpace, copied: Lying) -> None:
    """Of three that are left when one is late too, and nobody else is accused."""
    parameter, decoding = _of_copies(copied, space)
    assert isinstance(parameter, Distrusting)
    assert parameter.distrust.kind == "copies"
    for reading in decoding.readings(parameter):
        assert torch.equal(reading.suspects, reading.given.lying[:, None].expand_as(reading.suspects))
    for reading in decoding.honest().readings(parameter):
        assert not reading.suspects.any()


def test_the_largest_level_is_taken_of_those_that_are_as_good(copied: Lying) -> None:
    parameter, decoding = _of_copies(copied)
    assert isinstance(parameter, Distrusting)
    own, truth = parameter.distrust, copied.truth(REPLICATION, ("identity", "probabilities", "kriging"))

    def error(level: float) -> float:
        other = replace(parameter, distrust=replace(own, level=level))
        return measure(decoding.estimates(other), truth).score().prob_mse

    best = error(own.level)
    assert min(map(error, COPIES_LEVELS)) == best
    assert all(error(level) > best for level in COPIES_LEVELS if level > own.level)


def test_what_is_expected_of_copies_is_at_least_what_rounding_makes(copied: Lying) -> None:
    given = copied.given(REPLICATION, ("identity", "logits-softmax", "kriging"))
    right = given.read(given.outputs).to(torch.float64)
    spread = (right - right.mean(1, keepdim=True)).square().sum(-1).mean()
    assert given.expected_of_copies() == pytest.approx(1e-6 * float(spread))
    noise = 0.1 * torch.randn(right.shape, generator=torch.Generator().manual_seed(0))
    apart = replace(given, outputs=given.outputs + noise).expected_of_copies()
    assert apart == pytest.approx(2 * 0.1**2 * right.shape[-1], rel=0.3)
    assert copied.given(ENCODING, _reading("spline")).expected_of_copies() is None


def test_copies_are_no_matter_where_no_query_is_sent_twice() -> None:
    alone = Lying.of(*FEW, "search.distrusts=['copies']")
    start, parameter, score = _found(alone, "spline")
    assert parameter == start
    assert score == _score(alone, "spline", start)


@pytest.mark.parametrize("decoder", ["spline", "kriging", "berrut-0"])
def test_an_evaluator_starts_from_what_is_best_where_nobody_lies(decoder: DecoderKind, lying: Lying) -> None:
    _, parameter, score = _found(lying, decoder)
    (option,) = lying.evaluator.best(ENCODING, [_reading(decoder)])
    assert (option.parameter, option.score) == (parameter, score)

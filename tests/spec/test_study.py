from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from nercc_tune.errors import SpecError
from nercc_tune.records import Design, Encoding
from nercc_tune.spec import build_study
from tests.fakes import tiny_spec

_DECIDES = (
    "name=other",
    "workload.model=resnet18",
    "workload.data=mnist",
    "workload.precision=bf16",
    "workload.seed=1",
    "workload.pretrained=true",
    "code.queries=6",
    "code.workers=13",
    "code.stragglers=[2]",
    "code.nodes=uniform",
    "code.decode_space=logits",
    "code.ordering=projection",
    "code.assignment=interleaved",
    "code.rack=3",
    "code.chord_power=1.0",
    "straggling.model=worst",
    "straggling.sample=7",
    "straggling.model=latency",
    "straggling.strata=3",
    "search.strategy=joint",
    "search.objective=prob_mse",
    "search.min_rel_acc=0.9",
    "search.min_agreement=0.9",
    "search.orderings=['arrival', 'projection']",
    "search.nodes=['uniform']",
    "search.assignments=['interleaved']",
    "search.decode_spaces=['logits-softmax']",
    "search.blocks=3",
    "search.sampler=gp",
    "search.seed=1",
    "search.lambda_enc.low=1e-9",
    "search.lambda_dec.high=2.0",
    "evaluation.tuning_groups=4",
    "evaluation.tuning_masks=5",
    "evaluation.validation_groups=5",
    "evaluation.validation_masks=5",
    "evaluation.candidates=2",
    "evaluation.frozen_at=2",
    "evaluation.heldout_groups=5",
    "evaluation.heldout_masks=6",
    "evaluation.bootstrap=200",
    "evaluation.seed=1",
)
_DOES_NOT_DECIDE = (
    "search.trials=50",
    "search.patience=3",
    "search.min_improvement=0.1",
    "workload.device=cuda",
    "workload.chunk=64",
    "workload.compile=true",
    "workload.data_dir=elsewhere",
    "workload.checkpoint=weights.safetensors",
    "cache.disk=false",
    "cache.memory_mb=1",
    "storage.url=sqlite:///a.db",
    "tracking.url=sqlite:///b.db",
)


def test_equal_files_have_equal_digests() -> None:
    assert tiny_spec().digest == tiny_spec().digest
    assert tiny_spec("code.stragglers=[4, 2]").digest == tiny_spec("code.stragglers=[2, 4]").digest
    assert len(tiny_spec().digest) == 64


@pytest.mark.parametrize("override", _DECIDES)
def test_what_decides_the_results_changes_the_digest(override: str) -> None:
    assert tiny_spec(override).digest != tiny_spec().digest


@pytest.mark.parametrize("override", _DOES_NOT_DECIDE)
def test_what_decides_no_result_leaves_the_digest(override: str) -> None:
    assert tiny_spec(override).digest == tiny_spec().digest


def test_no_two_changes_share_a_digest() -> None:
    digests = {tiny_spec(override).digest for override in _DECIDES}
    assert len(digests) == len(_DECIDES)


def test_the_digest_survives_json() -> None:
    spec = tiny_spec("search.lambda_enc.low=3e-11")
    assert build_study(spec.model_dump(mode="json")).digest == spec.digest


def test_a_study_cannot_be_changed() -> None:
    spec = tiny_spec()
    with pytest.raises(ValidationError, match="frozen"):
        spec.search = spec.search  # type: ignore[misc]  # mypy sees that it is frozen, too


def test_the_trials_place_the_points_of_a_grid() -> None:
    grid = tiny_spec("search.sampler=grid")
    assert tiny_spec("search.sampler=grid", "search.trials=50").digest != grid.digest
    assert tiny_spec("search.sampler=grid", "search.patience=3").digest == grid.digest
    assert tiny_spec("search.sampler=grid", "search.trials=6").digest == grid.digest


def test_without_lists_the_code_alone_is_searched() -> None:
    spec = tiny_spec("code.ordering=projection", "code.nodes=uniform", "code.assignment=interleaved", "code.rack=3")
    assert spec.encodings == (Encoding(ordering="projection", nodes="uniform"),)
    assert spec.readings == (("interleaved", "probabilities", "spline"),)
    assert spec.reference == Design(
        ordering="projection", nodes="uniform", chord_power=0.5, assignment="interleaved", rack=3
    )


def test_lists_take_the_place_of_the_code() -> None:
    spec = tiny_spec(
        "search.orderings=['projection', 'arrival']",
        "search.nodes=['uniform', 'chord-length']",
        "search.assignments=['interleaved', 'identity']",
        "search.decode_spaces=['probabilities', 'logits-softmax']",
    )
    assert [(item.ordering, item.nodes, item.lambda_enc) for item in spec.encodings] == [
        ("projection", "uniform", 0.0),
        ("projection", "chord-length", 0.0),
        ("arrival", "uniform", 0.0),
        ("arrival", "chord-length", 0.0),
    ]
    assert spec.readings == (
        ("interleaved", "probabilities", "spline"),
        ("interleaved", "logits-softmax", "spline"),
        ("identity", "probabilities", "spline"),
        ("identity", "logits-softmax", "spline"),
    )
    assert spec.reference == Design()


@pytest.mark.parametrize(
    "override",
    [
        "search.objective=agreement",
        "search.min_agreement=0.9",
        "search.nodes=['chebyshev', 'chord-length']",
        "search.decode_spaces=['probabilities', 'logits-softmax']",
    ],
)
def test_what_takes_a_decoding_for_each_smoothing_has_a_coarser_grid(override: str) -> None:
    assert len(tiny_spec().decoder_grid) == 1 + 8 * 4 + 1
    assert len(tiny_spec(override).decoder_grid) == 1 + 8 * 2 + 1
    assert len(tiny_spec("code.decode_space=logits").decoder_grid) == 1 + 8 * 4 + 1
    assert len(tiny_spec("code.decode_space=logits", "search.objective=prob_mse").decoder_grid) == 1 + 8 * 2 + 1


@pytest.mark.parametrize(("low", "high"), [(1e-14, 1.0), (3e-9, 0.7), (0.5, 0.6), (1e-300, 1e12)])
def test_the_decoder_grid_goes_from_zero_to_the_high_end(low: float, high: float) -> None:
    grid = tiny_spec(f"search.lambda_dec={{ low = {low!r}, high = {high!r} }}").decoder_grid
    assert grid[0] == 0
    assert grid[1] == pytest.approx(low, rel=1e-12)
    assert grid[-1] == pytest.approx(high, rel=1e-12)
    assert all(before < after for before, after in itertools.pairwise(grid))
    steps = [after / before for before, after in itertools.pairwise(grid[1:])]
    assert max(steps) == pytest.approx(min(steps), rel=1e-9)
    assert max(steps) <= 10**0.25 * (1 + 1e-9)


@pytest.mark.parametrize("name", ["ms", " ms ", "milliseconds", "msec"])
def test_units_have_many_names_and_one_meaning(name: str) -> None:
    spec = tiny_spec("straggling.model=latency", f"straggling.unit={name}")
    assert spec.straggling.unit == "ms"
    assert spec.digest == tiny_spec("straggling.model=latency", "straggling.unit=ms").digest
    assert spec.digest != tiny_spec("straggling.model=latency").digest


def test_units_that_there_are_not_are_refused() -> None:
    with pytest.raises(SpecError, match=r"`straggling\.unit`: it must be 'ns', 'us', .* but got 'fortnight'"):
        tiny_spec("straggling.unit=fortnight")


def test_studies_of_versions_without_a_key_keep_their_digests() -> None:
    assert (
        tiny_spec("evaluation.replication=true").digest
        == "1c5f1569143f7b0a534691cb6225b9049a48298ddb8bcdc0e104842cd7fe0609"
    )
    assert tiny_spec("workload.outputs=logits").digest == tiny_spec().digest
    assert tiny_spec("workload.outputs=probabilities").digest != tiny_spec().digest

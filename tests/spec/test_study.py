from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

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
    "search.strategy=joint",
    "search.sampler=gp",
    "search.seed=1",
    "search.lambda_enc.low=1e-9",
    "search.lambda_dec.high=2.0",
    "evaluation.tuning_groups=4",
    "evaluation.tuning_masks=5",
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


def test_there_is_a_cell_for_each_straggler_count() -> None:
    cells = tiny_spec().cells
    assert [cell.name for cell in cells] == ["tiny/K5-N12-S2", "tiny/K5-N12-S4"]
    assert [cell.stragglers for cell in cells] == [2, 4]


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

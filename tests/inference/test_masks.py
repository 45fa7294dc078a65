from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nercc_tune.errors import SpecError, TraceError
from nercc_tune.inference import MaskSource
from nercc_tune.spec import StudySpec
from nercc_tune.straggling import Arrivals, Deadline, Exactly, Independent, Part, ShiftedExponential
from tests.fakes import draw, tiny_spec, write_trace

PARTS: tuple[Part, ...] = ("tuning", "validation", "heldout")
RANDOM = ("code={ queries = 5, workers = 12 }",)
COUNTED: dict[str, tuple[str, ...]] = {
    "exactly": (),
    "bursts": ("straggling.model=bursts", "code.rack=3"),
    "worst": ("straggling.model=worst", "straggling.sample=5"),
    "latency": ("straggling.model=latency",),
    "latency of Pareto": ("straggling.model=latency", "straggling.law=pareto"),
    "latency of gamma": ("straggling.model=latency", "straggling.law=gamma", "straggling.spread=0.5"),
    "trace": ("straggling.model=trace", "straggling.path=latencies.csv"),
}
COUNTLESS: dict[str, tuple[str, ...]] = {
    "independent": (*RANDOM, "straggling.model=independent", "straggling.probability=0.3"),
    "latency": (*RANDOM, "straggling.model=latency", "straggling.rule=deadline", "straggling.deadline=2.0"),
    "trace": (
        *RANDOM,
        "straggling.model=trace",
        "straggling.path=latencies.csv",
        "straggling.rule=deadline",
        "straggling.deadline=2.5",
        "straggling.strata=3",
    ),
}
TIMED = ("latency", "latency of Pareto", "latency of gamma", "trace")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return a folder with a trace of 12 workers over 200 iterations."""
    write_trace(tmp_path / "latencies.csv", workers=12, iterations=200)
    return tmp_path


def _spec(name: str, cases: dict[str, tuple[str, ...]], *more: str) -> StudySpec:
    return tiny_spec(*cases[name], *more)


def _draw(spec: StudySpec, data_dir: Path, part: Part, masks: int = 8) -> dict[int, Arrivals]:
    return MaskSource.of(spec, data_dir).draw(part, masks=masks)


@pytest.mark.parametrize("name", COUNTED)
def test_there_is_a_cell_for_each_listed_count(name: str, data_dir: Path) -> None:
    cells = MaskSource.of(_spec(name, COUNTED), data_dir).cells
    assert [cell.name for cell in cells] == ["tiny/K5-N12-S2", "tiny/K5-N12-S4"]
    assert [(cell.fewest, cell.stragglers, cell.weight) for cell in cells] == [(2, 2, 0.5), (4, 4, 0.5)]


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("part", PARTS)
def test_a_listed_count_is_that_of_every_mask(name: str, part: Part, data_dir: Path) -> None:
    for stragglers, arrivals in _draw(_spec(name, COUNTED), data_dir, part).items():
        assert arrivals.arrived.shape == (8, 12)
        assert (arrivals.stragglers == stragglers).all()
        assert (arrivals.waiting is not None) == (name in TIMED)


@pytest.mark.parametrize("name", [name for name in COUNTED if name != "worst"])
def test_the_masks_of_listed_counts_are_nested(name: str, data_dir: Path) -> None:
    drawn = _draw(_spec(name, COUNTED), data_dir, "tuning")
    assert (drawn[2].arrived >= drawn[4].arrived).all()


@pytest.mark.parametrize("name", COUNTLESS)
def test_a_random_count_is_parted_into_ranges(name: str, data_dir: Path) -> None:
    spec = _spec(name, COUNTLESS)
    cells = MaskSource.of(spec, data_dir).cells
    assert 2 <= len(cells) <= spec.straggling.strata
    assert cells[0].fewest == 0
    assert all(before.stragglers + 1 == after.fewest for before, after in pairwise(cells))
    assert sum(cell.weight for cell in cells) == pytest.approx(1, abs=1e-12)
    assert all(cell.weight > 0 for cell in cells)


@pytest.mark.parametrize("name", COUNTLESS)
@pytest.mark.parametrize("part", PARTS)
def test_the_masks_of_a_range_have_counts_of_that_range(name: str, part: Part, data_dir: Path) -> None:
    spec = _spec(name, COUNTLESS)
    drawn = _draw(spec, data_dir, part)
    cells = MaskSource.of(spec, data_dir).cells
    assert list(drawn) == [cell.stragglers for cell in cells]
    for cell, arrivals in zip(cells, drawn.values(), strict=True):
        counts = arrivals.stragglers
        assert cell.fewest <= counts.min()
        # Beyond the largest count that the law showed there may be more; they belong to the last range.
        assert counts.max() <= cell.stragglers or cell is cells[-1]
        assert len(counts) <= 8
        assert (arrivals.waiting is not None) == (name != "independent")


def test_the_weights_are_the_probabilities_of_the_ranges() -> None:
    cells = MaskSource.of(_spec("independent", COUNTLESS)).cells
    counts = Independent(workers=12, probability=0.3).draw(masks=20_000, seed=9).stragglers
    for cell in cells:
        share = ((counts >= cell.fewest) & (counts <= cell.stragglers)).mean()
        assert cell.weight == pytest.approx(share, abs=0.035)  # four standard errors of 4096 draws
    fewer = MaskSource.of(_spec("independent", COUNTLESS, "straggling.strata=2")).cells
    assert len(fewer) == 2


@pytest.mark.parametrize("name", [*COUNTED, *(f"random {name}" for name in COUNTLESS)])
def test_parts_and_seeds_have_draws_of_their_own(name: str, data_dir: Path) -> None:
    cases = COUNTLESS if name.startswith("random ") else COUNTED
    overrides = cases[name.removeprefix("random ")]
    spec, other = tiny_spec(*overrides), tiny_spec(*overrides, "evaluation.seed=1")

    def masks(of: StudySpec, part: Part) -> bytes:
        return b"".join(arrivals.arrived.tobytes() for arrivals in _draw(of, data_dir, part).values())

    assert masks(spec, "tuning") == masks(spec, "tuning")
    assert len({masks(spec, part) for part in PARTS}) == 3
    assert masks(other, "tuning") != masks(spec, "tuning")


def test_the_settings_of_a_law_are_used() -> None:
    spec = tiny_spec("straggling.model=latency", "straggling.shift=7.0", "straggling.rate=4.0")
    seed = int(np.random.SeedSequence([0, 1]).generate_state(1)[0])
    latencies = ShiftedExponential(workers=12, shift=7.0, rate=4.0).sample(6, seed=seed)
    drawn = MaskSource.of(spec).draw("tuning", masks=6)
    assert drawn[2].waiting is not None
    assert drawn[2].waiting.tolist() == np.sort(latencies)[:, 9].tolist()
    late = tiny_spec(*COUNTLESS["latency"], "straggling.shift=1.5")
    for cell in MaskSource.of(late).cells:
        assert cell.workers == 12
    model = Deadline(latency=ShiftedExponential(workers=12, shift=1.5, rate=1.0), deadline=2.0)
    mean = model.draw(masks=4000, seed=0).stragglers.mean()
    weighted = [cell.weight * (cell.fewest + cell.stragglers) / 2 for cell in MaskSource.of(late).cells]
    assert sum(weighted) == pytest.approx(mean, abs=0.5)


def test_the_masks_of_a_study_before_are_still_drawn() -> None:
    """Studies that list counts and say nothing of a straggler model keep the masks that they had."""
    seed = int(np.random.SeedSequence([0, 1]).generate_state(1)[0])
    expected = Exactly(workers=12).draw(4, masks=4, seed=seed).arrived
    assert np.array_equal(MaskSource.of(tiny_spec()).draw("tuning", masks=4)[4].arrived, expected)


@pytest.mark.parametrize("part", PARTS)
def test_a_trace_gives_each_part_iterations_of_its_own(part: Part, data_dir: Path) -> None:
    spec = _spec("trace", COUNTED)
    waits = {known: _draw(spec, data_dir, known, masks=40)[2].waiting for known in PARTS}
    mine = waits.pop(part)
    assert mine is not None
    assert len(set(mine.tolist())) == 40
    for others in waits.values():
        assert others is not None
        assert not set(mine.tolist()) & set(others.tolist())


def test_a_trace_with_too_few_iterations_is_refused_when_drawn(tmp_path: Path) -> None:
    write_trace(tmp_path / "latencies.csv", workers=12, iterations=10)
    source = MaskSource.of(_spec("trace", COUNTED), tmp_path)
    with pytest.raises(TraceError, match="has 4 iterations, but 5 are asked for"):
        source.draw("tuning", masks=5)


def test_a_trace_of_too_few_workers_is_refused(tmp_path: Path) -> None:
    write_trace(tmp_path / "latencies.csv", workers=11, iterations=50)
    with pytest.raises(TraceError, match="trace has 11 workers, but 12 are asked for"):
        MaskSource.of(_spec("trace", COUNTED), tmp_path)


def test_a_trace_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"latencies\.csv"):
        MaskSource.of(_spec("trace", COUNTED), tmp_path)


def test_a_rack_of_more_than_all_workers_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"in `straggling`: `1 <= rack <= workers` must hold, but got racks of 13 of 12"
    ):
        MaskSource.of(tiny_spec("straggling.model=bursts", "code.rack=13"))


@pytest.mark.parametrize("name", [*COUNTED, *(f"random {name}" for name in COUNTLESS)])
def test_every_evaluator_has_the_masks_and_the_waiting_of_its_cell(name: str, data_dir: Path) -> None:
    is_random = name.startswith("random ")
    spec = _spec(name.removeprefix("random "), COUNTLESS if is_random else COUNTED)
    drawn = draw(spec, data_dir=data_dir)
    for stragglers, arrivals in _draw(spec, data_dir, "tuning", spec.evaluation.tuning_masks).items():
        evaluator = drawn.evaluators[stragglers]
        counts = sorted(arrivals.arrived.sum(1).tolist(), reverse=True)
        found = [batch.shape[1] for batch in evaluator.masks.batches for _ in batch]
        assert found == counts
        waiting = None if arrivals.waiting is None else pytest.approx(float(arrivals.waiting.mean()))
        assert evaluator.waiting == waiting
        assert evaluator.cell.stragglers == stragglers
        metrics = evaluator.metrics(spec.reference, 0.0, 0.0)
        assert metrics.mse.shape == (spec.evaluation.tuning_groups, len(counts))


@pytest.mark.parametrize(("part", "masks"), [("tuning", 4), ("validation", 3), ("heldout", 5)])
def test_each_part_has_as_many_masks_as_it_says(part: Part, masks: int) -> None:
    evaluators = draw(tiny_spec(), part).evaluators
    assert {len(batch) for evaluator in evaluators.values() for batch in evaluator.masks.batches} == {masks}

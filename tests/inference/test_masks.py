from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

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


@pytest.mark.parametrize(("iterations", "part"), [(8, "tuning"), (10, "validation"), (12, "validation")])
def test_a_trace_with_too_few_iterations_is_refused_before_anything_is_drawn(
    iterations: int, part: str, tmp_path: Path
) -> None:
    write_trace(tmp_path / "latencies.csv", workers=12, iterations=iterations)
    masks = ("evaluation.tuning_masks=4", "evaluation.validation_masks=4", "evaluation.heldout_masks=4")
    with pytest.raises(
        TraceError, match=rf"The {part} part of the trace has \d iterations, but `evaluation\.{part}_mask"
    ):
        MaskSource.of(_spec("trace", COUNTED, *masks), tmp_path)


def _write(path: Path, latencies: NDArray[np.float64]) -> None:
    header = ",".join(f"latency_worker_{worker}" for worker in range(latencies.shape[1]))
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in latencies.tolist())]))


def _loads(late: list[int]) -> NDArray[np.float64]:
    """Return latencies of 12 workers of which so many in each iteration come after 2.5."""
    return np.array([[9.0] * count + [1.0] * (12 - count) for count in late])


@pytest.mark.parametrize("seed", range(3))
def test_ranges_that_a_part_lacks_are_merged_and_said(seed: int, tmp_path: Path) -> None:
    """A load that grows: no later part has what the earlier one had."""
    _write(tmp_path / "latencies.csv", _loads([0, 1, 2, 3] * 6 + [3, 4] * 6 + [6, 7, 8] * 8))
    spec = _spec("trace", COUNTLESS, "straggling.strata=8", f"evaluation.seed={seed}")
    source = MaskSource.of(spec, tmp_path)
    (cell,) = source.cells
    assert (cell.fewest, cell.stragglers) == (0, 8)
    assert cell.weight == pytest.approx(1)
    for part, largest in zip(PARTS, (3, 4, 8), strict=True):
        counts = source.draw(part, masks=100)[8].stragglers
        assert counts.max() == largest
    assert [notice.split(" stragglers, so that")[0].split(": they")[0] for notice in source.notices] == [
        "no draw of the validation part has 0, 1, 2",
        "up to 4 workers straggle in the validation part, and at most 3 before",
        "up to 8 workers straggle in the held-out part, and at most 4 before",
    ]


def test_only_the_ranges_that_are_lacking_are_merged(tmp_path: Path) -> None:
    _write(tmp_path / "latencies.csv", _loads([0, 1, 2, 3] * 5 + [0, 2, 3, 3] * 2 + [2, 2] + [0, 1, 3, 3] * 5))
    source = MaskSource.of(_spec("trace", COUNTLESS, "straggling.strata=8"), tmp_path)
    assert [(cell.fewest, cell.stragglers) for cell in source.cells] == [(0, 1), (2, 3)]
    assert sum(cell.weight for cell in source.cells) == pytest.approx(1)
    for part in PARTS:
        assert all(len(arrivals.arrived) for arrivals in source.draw(part, masks=3).values())


@pytest.mark.parametrize("name", [*COUNTED, *(f"random {name}" for name in COUNTLESS)])
def test_where_nothing_is_wrong_nothing_is_said(name: str, data_dir: Path) -> None:
    cases = COUNTLESS if name.startswith("random ") else COUNTED
    assert MaskSource.of(tiny_spec(*cases[name.removeprefix("random ")]), data_dir).notices == ()


@pytest.mark.parametrize("model", ["latency", "trace"])
@pytest.mark.parametrize(("deadline", "whom"), [(1000.0, "nobody"), (0.001, "everybody")])
def test_a_deadline_that_decides_nothing_is_said(model: str, deadline: float, whom: str, data_dir: Path) -> None:
    spec = _spec(model, COUNTLESS, f"straggling.deadline={deadline}", "straggling.unit=ms")
    source = MaskSource.of(spec, data_dir)
    (notice,) = source.notices
    assert notice.startswith(f"the deadline {deadline:g} ms catches {whom}:")
    (cell,) = source.cells
    assert cell.stragglers == (0 if whom == "nobody" else 11)


def test_answers_that_never_come_are_late_under_a_deadline(tmp_path: Path) -> None:
    latencies = _loads([0, 2] * 25)
    latencies[1::2, 0] = np.inf
    _write(tmp_path / "latencies.csv", latencies)
    source = MaskSource.of(_spec("trace", COUNTLESS), tmp_path)
    assert [cell.stragglers for cell in source.cells] == [0, 2]
    drawn = source.draw("heldout", masks=5)
    assert drawn[2].waiting is not None
    assert drawn[2].waiting.tolist() == [2.5] * 5
    assert (drawn[2].arrived == [False] * 2 + [True] * 10).all()
    assert source.notices == ("25 of the trace's 600 answers (4.2%) never came: they are late, last or absent",)


def test_answers_that_never_come_arrive_last_or_not_at_all_under_first(tmp_path: Path) -> None:
    latencies = np.tile(np.arange(1.0, 13.0), (50, 1))
    latencies[:, :3] = np.inf
    _write(tmp_path / "latencies.csv", latencies)
    source = MaskSource.of(_spec("trace", COUNTED), tmp_path)
    for part in PARTS:
        few, many = source.draw(part, masks=3)[2], source.draw(part, masks=3)[4]
        assert (many.arrived == [False] * 3 + [True] * 8 + [False]).all()
        assert many.waiting is not None
        assert many.waiting.tolist() == [11.0] * 3
        assert (few.arrived == [False] * 3 + [True] * 9).all()  # ten answers never come
        assert few.waiting is None
    assert source.notices[1:] == tuple(
        f"in {masks} of the {masks} {part} masks fewer than 10 answers ever come: S = 2 is judged there on those that "
        f"do, and has no waiting time"
        for part, masks in (("tuning", 4), ("validation", 3), ("held-out", 5))
    )


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

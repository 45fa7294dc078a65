from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage

from nercc_tune.spec import StudySpec
from nercc_tune.tuning import CellStudy, open_cells
from nercc_tune.tuning.samplers import (
    ASSIGNMENT,
    DECODE_SPACE,
    LAMBDA_DEC,
    LAMBDA_ENC,
    NODES,
    ORDERING,
    sampler_for,
    turns_at_most,
)
from tests.fakes import bench, info, timeless, tiny_cells, tiny_spec, tiny_workload

KINDS = [
    *(("profile", sampler) for sampler in ("tpe", "gp", "random", "grid")),
    *(("joint", sampler) for sampler in ("tpe", "gp", "cmaes", "random", "grid")),
]


def _search(strategy: str, sampler: str, *more: str, trials: int = 12) -> StudySpec:
    return tiny_spec(f"search.strategy={strategy}", f"search.sampler={sampler}", f"search.trials={trials}", *more)


def _study() -> CellStudy:
    spec = tiny_spec("code.stragglers=[2]")
    return open_cells(InMemoryStorage(), spec, tiny_cells(spec), info(tiny_workload()))[2]


def _points(spec: StudySpec, turns: int) -> list[tuple[float, float]]:
    """Let the samplers of some turns propose points to an empty study of a smooth function."""
    ranges = (spec.search.lambda_enc, spec.search.lambda_dec)
    study = optuna.create_study()
    points = []
    for turn in range(turns):
        study.sampler = sampler_for(spec, turn)
        trial = study.ask()
        enc, dec = (
            trial.suggest_float(name, span.low, span.high, log=True)
            for name, span in zip((LAMBDA_ENC, LAMBDA_DEC), ranges, strict=True)
        )
        study.tell(trial, (math.log10(enc) + 4) ** 2 + (math.log10(dec) + 3) ** 2)
        points.append((enc, dec))
    return points


@pytest.mark.parametrize(("strategy", "sampler"), KINDS)
def test_every_sampler_searches(strategy: str, sampler: str, tmp_path: Path) -> None:
    study = bench(tiny_spec(f"search.strategy={strategy}", f"search.sampler={sampler}", "search.trials=4"), tmp_path)
    given = 2 if strategy == "profile" else 1
    assert study.search().run() == given + 4
    for cell in study.history().cells:
        assert [record.proposal for record in cell.trials] == list(range(given + 4))
        assert all(record.is_complete for record in cell.trials)


@pytest.mark.parametrize(("strategy", "sampler"), KINDS)
def test_a_sampler_of_one_turn_is_deterministic(strategy: str, sampler: str) -> None:
    turns = 12 if sampler == "cmaes" else 9
    spec = _search(strategy, sampler)
    assert _points(spec, turns) == _points(spec, turns)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random"])
def test_no_point_is_proposed_twice(sampler: str) -> None:
    points = _points(_search("joint", sampler), 12)
    assert len(set(points)) == 12


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random"])
def test_another_seed_makes_other_proposals(sampler: str) -> None:
    spec = _search("joint", sampler)
    other = _search("joint", sampler, "search.seed=1")
    assert _points(spec, 10) != _points(other, 10)


def test_the_first_turns_of_a_guided_sampler_fill_the_range() -> None:
    logs = sorted(math.log10(enc) for enc, _ in _points(_search("joint", "tpe"), 8))
    gaps = [after - before for before, after in zip([-8.0, *logs], [*logs, 0.0], strict=True)]
    assert max(gaps) < 2.5


def test_a_grid_in_one_parameter_covers_its_range_evenly() -> None:
    spec = _search("profile", "grid", trials=5)
    found = [sampler_for(spec, turn).given for turn in range(5)]
    assert all(LAMBDA_DEC not in given for given in found)
    assert [given[LAMBDA_ENC] for given in found] == pytest.approx([1e-8, 1e-6, 1e-4, 1e-2, 1.0])


def test_a_grid_in_two_parameters_covers_the_square() -> None:
    spec = _search("joint", "grid", trials=9)
    found = {(enc, dec) for enc, dec in _points(spec, 9)}
    assert len(found) == 9
    for axis in (0, 1):
        assert sorted({point[axis] for point in found}) == pytest.approx([1e-8, 1e-4, 1.0])


@pytest.mark.parametrize(("trials", "turns"), [(1, 1), (3, 1), (4, 4), (8, 4), (40, 36)])
def test_a_grid_in_two_parameters_is_a_square_within_the_trials(trials: int, turns: int) -> None:
    spec = _search("joint", "grid", trials=trials)
    assert turns_at_most(spec) == turns
    assert len(set(_points(spec, turns))) == turns


def test_the_other_searches_take_all_their_trials() -> None:
    assert turns_at_most(_search("joint", "tpe", trials=8)) == 8
    assert turns_at_most(_search("profile", "grid", trials=8)) == 8


@pytest.mark.parametrize("high", [0.7, 0.9, 1.3, 3.3e-3, 7e11])
def test_a_grid_ends_inside_its_range(high: float) -> None:
    for low in (1e-14, 3e-9, 7.7e-11):
        spec = _search("profile", "grid", f"search.lambda_enc={{low={low}, high={high}}}", trials=7)
        ends = [sampler_for(spec, turn).given[LAMBDA_ENC] for turn in (0, 6)]
        assert ends[0] == low
        assert ends[1] == pytest.approx(high, rel=1e-12)
        assert isinstance(ends[1], float)
        assert ends[1] <= high


WHOLE_CODE = (
    "search.orderings=['arrival', 'nearest-neighbour', 'projection']",
    "search.nodes=['chebyshev', 'uniform', 'systematic']",
    "search.assignments=['identity', 'interleaved']",
    "search.decode_spaces=['probabilities', 'logits-softmax']",
    "code.rack=3",
)


def _layouts(spec: StudySpec, turns: int) -> list[tuple[object, ...]]:
    """Return the choices that the design gives in each turn."""
    names = (ORDERING, NODES) if spec.search.strategy == "profile" else (ORDERING, NODES, ASSIGNMENT, DECODE_SPACE)
    given = (sampler_for(spec, turn).given for turn in range(turns))
    return [tuple(values[name] for name in names) for values in given if values]


@pytest.mark.parametrize("strategy", ["profile", "joint"])
@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_the_designed_points_visit_every_layout(strategy: str, sampler: str) -> None:
    spec = _search(strategy, sampler, *WHOLE_CODE, trials=40)
    found = _layouts(spec, 40)
    assert len(found) == len({layout[:2] for layout in found}) == 9


@pytest.mark.parametrize(("strategy", "combinations"), [("profile", 9), ("joint", 36)])
def test_a_grid_covers_all_combinations(strategy: str, combinations: int) -> None:
    spec = _search(strategy, "grid", *WHOLE_CODE, trials=4 * combinations)
    turns = turns_at_most(spec)
    assert turns == 4 * combinations
    assert set(Counter(_layouts(spec, turns)).values()) == {4}
    assert len(set(_layouts(spec, turns))) == combinations
    points = {tuple(sorted(sampler_for(spec, turn).given.items())) for turn in range(turns)}
    assert len(points) == turns
    each = {given[LAMBDA_ENC] for given in (sampler_for(spec, turn).given for turn in range(turns))}
    assert sorted(float(value) for value in each) == pytest.approx(
        [1e-8, 1.0] if strategy == "joint" else [1e-8, 10 ** (-16 / 3), 10 ** (-8 / 3), 1.0]
    )


def test_a_grid_with_fewer_trials_than_combinations_still_has_each_once() -> None:
    spec = _search("profile", "grid", *WHOLE_CODE, trials=4)
    assert turns_at_most(spec) == 9
    assert len(set(_layouts(spec, 9))) == 9


def test_other_samplers_choose_the_layout_themselves() -> None:
    spec = _search("profile", "random", *WHOLE_CODE)
    assert all(sampler_for(spec, turn).given == {} for turn in range(20))
    assert sampler_for(_search("profile", "tpe", *WHOLE_CODE), 9).given == {}


def test_a_given_parameter_is_not_sampled() -> None:
    study = _study()
    sampler = sampler_for(_search("profile", "random"), 0)
    trial = study.ask(sampler, proposal=0)
    study.suggest(trial, LAMBDA_ENC)
    sampler.given[LAMBDA_DEC] = 1.5e-3
    assert study.suggest(trial, LAMBDA_DEC) == 1.5e-3


def test_cma_es_does_not_depend_on_numbers_that_interruptions_used_up(tmp_path: Path) -> None:
    """Optuna's own adds the trial's number to its seed."""
    spec = tiny_spec("search.strategy=joint", "search.sampler=cmaes", "search.trials=14", "code.stragglers=[2]")
    plain, disturbed = bench(spec, tmp_path / "plain"), bench(spec, tmp_path / "disturbed")
    plain.search().run()
    disturbed.studies[2].abandon(disturbed.studies[2].ask(sampler_for(spec, 0), proposal=1))
    disturbed.search().run()
    assert timeless(disturbed.studies[2].records()) == timeless(plain.studies[2].records())

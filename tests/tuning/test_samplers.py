from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage

from nercc_tune.spec import SearchSettings
from nercc_tune.tuning import CellStudy, open_cells
from nercc_tune.tuning.samplers import LAMBDA_DEC, LAMBDA_ENC, sampler_for, turns_at_most
from tests.fakes import bench, info, timeless, tiny_spec, tiny_workload

KINDS = [
    *(("profile", sampler) for sampler in ("tpe", "gp", "random", "grid")),
    *(("joint", sampler) for sampler in ("tpe", "gp", "cmaes", "random", "grid")),
]


def _search(strategy: str, sampler: str, trials: int = 12) -> SearchSettings:
    return tiny_spec(f"search.strategy={strategy}", f"search.sampler={sampler}", f"search.trials={trials}").search


def _study() -> CellStudy:
    return open_cells(InMemoryStorage(), tiny_spec("code.stragglers=[2]"), info(tiny_workload()))[2]


def _points(search: SearchSettings, turns: int) -> list[tuple[float, float]]:
    """Let the samplers of some turns propose points to an empty study of a smooth function."""
    ranges = (search.lambda_enc, search.lambda_dec)
    study = optuna.create_study()
    points = []
    for turn in range(turns):
        study.sampler = sampler_for(search, turn)
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
    search = _search(strategy, sampler)
    assert _points(search, turns) == _points(search, turns)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random"])
def test_no_point_is_proposed_twice(sampler: str) -> None:
    points = _points(_search("joint", sampler), 12)
    assert len(set(points)) == 12


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random"])
def test_another_seed_makes_other_proposals(sampler: str) -> None:
    search = _search("joint", sampler)
    other = search.model_copy(update={"seed": 1})
    assert _points(search, 10) != _points(other, 10)


def test_the_first_turns_of_a_guided_sampler_fill_the_range() -> None:
    logs = sorted(math.log10(enc) for enc, _ in _points(_search("joint", "tpe"), 8))
    gaps = [after - before for before, after in zip([-8.0, *logs], [*logs, 0.0], strict=True)]
    assert max(gaps) < 2.5


def test_a_grid_in_one_parameter_covers_its_range_evenly() -> None:
    search = _search("profile", "grid", trials=5)
    found = [sampler_for(search, turn).given for turn in range(5)]
    assert [set(given) for given in found] == [{LAMBDA_ENC}] * 5
    assert [given[LAMBDA_ENC] for given in found] == pytest.approx([1e-8, 1e-6, 1e-4, 1e-2, 1.0])


def test_a_grid_in_two_parameters_covers_the_square() -> None:
    search = _search("joint", "grid", trials=9)
    found = {(enc, dec) for enc, dec in _points(search, 9)}
    assert len(found) == 9
    for axis in (0, 1):
        assert sorted({point[axis] for point in found}) == pytest.approx([1e-8, 1e-4, 1.0])


@pytest.mark.parametrize(("trials", "turns"), [(1, 1), (3, 1), (4, 4), (8, 4), (40, 36)])
def test_a_grid_in_two_parameters_is_a_square_within_the_trials(trials: int, turns: int) -> None:
    search = _search("joint", "grid", trials=trials)
    assert turns_at_most(search) == turns
    assert len(set(_points(search, turns))) == turns


def test_the_other_searches_take_all_their_trials() -> None:
    assert turns_at_most(_search("joint", "tpe", trials=8)) == 8
    assert turns_at_most(_search("profile", "grid", trials=8)) == 8


@pytest.mark.parametrize("high", [0.7, 0.9, 1.3, 3.3e-3, 7e11])
def test_a_grid_ends_inside_its_range(high: float) -> None:
    for low in (1e-14, 3e-9, 7.7e-11):
        search = tiny_spec(
            "search.sampler=grid", f"search.lambda_enc={{low={low}, high={high}}}", "search.trials=7"
        ).search
        ends = [sampler_for(search, turn).given[LAMBDA_ENC] for turn in (0, 6)]
        assert ends[0] == low
        assert ends[1] == pytest.approx(high, rel=1e-12)
        assert ends[1] <= high


def test_a_given_parameter_is_not_sampled() -> None:
    study = _study()
    sampler = sampler_for(_search("profile", "random"), 0)
    trial = study.ask(sampler)
    study.suggest(trial, LAMBDA_ENC)
    sampler.given[LAMBDA_DEC] = 1.5e-3
    assert study.suggest(trial, LAMBDA_DEC) == 1.5e-3


def test_cma_es_does_not_depend_on_numbers_that_interruptions_used_up(tmp_path: Path) -> None:
    """Optuna's own adds the trial's number to its seed."""
    spec = tiny_spec("search.strategy=joint", "search.sampler=cmaes", "search.trials=14", "code.stragglers=[2]")
    plain, disturbed = bench(spec, tmp_path / "plain"), bench(spec, tmp_path / "disturbed")
    plain.search().run()
    disturbed.studies[2].abandon(disturbed.studies[2].ask(sampler_for(spec.search, 0)))
    disturbed.search().run()
    assert timeless(disturbed.studies[2].records()) == timeless(plain.studies[2].records())

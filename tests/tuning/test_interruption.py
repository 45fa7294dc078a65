from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from optuna.trial import TrialState
from typing_extensions import override

from nercc_tune.inference import CellEvaluator
from nercc_tune.records import Design, Encoding, Option, Parameter, Reading, TrialRecord
from nercc_tune.tuning import CellStudy, samplers
from tests.fakes import Bench, bench, timeless, tiny_spec

KINDS = [("profile", "tpe"), ("joint", "tpe"), ("joint", "gp"), ("joint", "cmaes"), ("profile", "random")]
WHOLE_CODE = (
    "search.objective=prob_mse",
    "search.orderings=['arrival', 'nearest-neighbour']",
    "search.nodes=['chebyshev', 'chord-length']",
    "search.assignments=['identity', 'interleaved']",
    "search.decode_spaces=['probabilities', 'logits']",
    "search.min_agreement=0.9",
    "code.rack=3",
)


class Stopped(CellEvaluator):
    """An evaluator that is interrupted at the given call of all that share the counter."""

    def __init__(self, inner: CellEvaluator, calls: list[None], *, at: int) -> None:
        self.inner = inner
        self.calls = calls
        self.at = at

    @override
    def best(self, encoding: Encoding, readings: Sequence[Reading], *, block: int | None = None) -> tuple[Option, ...]:
        self._count()
        return self.inner.best(encoding, readings, block=block)

    @override
    def option(self, design: Design, lambda_enc: float, parameter: Parameter) -> Option:
        self._count()
        return self.inner.option(design, lambda_enc, parameter)

    def _count(self) -> None:
        self.calls.append(None)
        if len(self.calls) == self.at:
            raise KeyboardInterrupt


def _spec(strategy: str, sampler: str) -> tuple[str, ...]:
    return (f"search.strategy={strategy}", f"search.sampler={sampler}", "search.trials=5")


def _interrupt(study: Bench, *, at: int) -> None:
    calls: list[None] = []
    evaluators = {s: Stopped(inner, calls, at=at) for s, inner in study.tuning.evaluators.items()}
    with pytest.raises(KeyboardInterrupt):
        study.search(evaluators).run()


def _by_cell(study: Bench) -> dict[int, list[TrialRecord]]:
    return {cell.cell.stragglers: timeless(cell.trials) for cell in study.history().cells}


def _states(study: Bench) -> set[TrialState]:
    return {trial.state for cell in study.studies.values() for trial in cell._study.trials}


@pytest.mark.parametrize(("strategy", "sampler"), KINDS)
def test_a_search_interrupted_again_and_again_ends_as_an_undisturbed_one(
    strategy: str, sampler: str, tmp_path: Path
) -> None:
    """In the first proposal, before a cell's own trial is told, between the cells, and in the last one."""
    spec = tiny_spec(*_spec(strategy, sampler))
    undisturbed = bench(spec, tmp_path / "at once")
    undisturbed.search().run()
    for at in (2, 3, 4, 3):
        stopped = bench(spec, tmp_path / "in parts")
        _interrupt(stopped, at=at)
        assert TrialState.RUNNING not in _states(stopped)
    resumed = bench(spec, tmp_path / "in parts")
    resumed.search().run()
    assert _by_cell(resumed) == _by_cell(undisturbed)
    assert TrialState.RUNNING not in _states(resumed)


@pytest.mark.parametrize(("strategy", "sampler"), [("profile", "tpe"), ("joint", "tpe"), ("joint", "gp")])
def test_a_search_of_the_whole_code_may_be_interrupted_too(
    strategy: str, sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a designed point for each layout and no more, so that the samplers choose the others."""
    monkeypatch.setattr(samplers, "_DESIGN_POINTS", 1)
    spec = tiny_spec(*_spec(strategy, sampler), *WHOLE_CODE, "search.trials=8")
    undisturbed = bench(spec, tmp_path / "at once")
    undisturbed.search().run()
    for at in (6, 5, 3):
        _interrupt(bench(spec, tmp_path / "in parts"), at=at)
    resumed = bench(spec, tmp_path / "in parts")
    resumed.search().run()
    assert _by_cell(resumed) == _by_cell(undisturbed)
    assert samplers.sampler_for(spec, 4).given == {}
    assert len(resumed.history().cells[0].trials) == 8 + (5 if strategy == "profile" else 1)


@pytest.mark.parametrize("at", [1, 2, 4, 5, 6, 13, 14])
def test_wherever_it_is_interrupted_nothing_is_lost_or_repeated(at: int, tmp_path: Path) -> None:
    spec = tiny_spec(*_spec("profile", "random"))
    stopped = bench(spec, tmp_path)
    _interrupt(stopped, at=at)
    done = sum(len(trials) for trials in _by_cell(stopped).values())
    assert done == at - 1
    resumed = bench(spec, tmp_path)
    search = resumed.search()
    search.run()
    assert search.progress.added == 14 - done
    for trials in _by_cell(resumed).values():
        assert [trial.proposal for trial in trials] == list(range(7))
        assert len({trial.lambda_enc for trial in trials[1:]}) == 6


def _before_tell(study: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    for cell in study.studies.values():
        monkeypatch.setattr(cell, "tell", die)


def _before_add(_study: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = CellStudy.add

    def die(self: CellStudy, record: TrialRecord, *, block_values: Sequence[float] = ()) -> TrialRecord:
        if record.proposal >= 3:
            raise KeyboardInterrupt
        return kept(self, record, block_values=block_values)

    monkeypatch.setattr(CellStudy, "add", die)


@pytest.mark.parametrize("dies", [_before_tell, _before_add], ids=["before tell", "before add"])
@pytest.mark.parametrize("strategy", ["profile", "joint"])
def test_a_process_that_dies_in_the_storage_loses_nothing(
    dies: Callable[[Bench, pytest.MonkeyPatch], None], strategy: str, tmp_path: Path
) -> None:
    spec = tiny_spec(*_spec(strategy, "tpe"))
    undisturbed = bench(spec, tmp_path / "at once")
    undisturbed.search().run()
    stopped = bench(spec, tmp_path / "in parts")
    with pytest.MonkeyPatch.context() as patch:
        dies(stopped, patch)
        with pytest.raises(KeyboardInterrupt):
            stopped.search().run()
    resumed = bench(spec, tmp_path / "in parts")
    resumed.search().run()
    assert _by_cell(resumed) == _by_cell(undisturbed)
    assert TrialState.RUNNING not in _states(resumed)

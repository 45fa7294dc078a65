"""Workers that die as the system kills them, and others that go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from optuna.trial import Trial, TrialState
from typing_extensions import override

from nercc_tune.inference import CellEvaluator
from nercc_tune.records import Design, Encoding, Option, Parameter, Reading, TrialRecord
from nercc_tune.spec import StudySpec
from nercc_tune.tuning import CellStudy, Proposals, search
from nercc_tune.tuning.leases import Leases
from nercc_tune.tuning.proposals import Sampled
from tests.fakes import Bench, bench, timeless, tiny_spec
from tests.tuning.children import die, run_all, run_killed

SPEC = tiny_spec("search.sampler=random", "search.trials=3")


class Deadly(CellEvaluator):
    """An evaluator that kills its process at the given call of all that share the counter, or above some λ_enc."""

    def __init__(self, inner: CellEvaluator, calls: list[None], *, at: int = 0, above: float = 2.0) -> None:
        self.inner = inner
        self.calls = calls
        self.at = at
        self.above = above

    @override
    def best(self, encoding: Encoding, readings: Sequence[Reading], *, block: int | None = None) -> tuple[Option, ...]:
        self._count(encoding.lambda_enc)
        return self.inner.best(encoding, readings, block=block)

    @override
    def option(self, design: Design, lambda_enc: float, parameter: Parameter) -> Option:
        self._count(lambda_enc)
        return self.inner.option(design, lambda_enc, parameter)

    def _count(self, lambda_enc: float) -> None:
        self.calls.append(None)
        if len(self.calls) == self.at or lambda_enc > self.above:
            die()


def _search(spec: StudySpec, folder: Path, *, at: int = 0, above: float = 2.0, only: int | None = None) -> None:
    """Search until the evaluators of all cells, or of one, kill the process."""
    study, calls = bench(spec, folder), list[None]()
    study.search(
        {
            stragglers: Deadly(inner, calls, at=at, above=above) if only in (None, stragglers) else inner
            for stragglers, inner in study.tuning.evaluators.items()
        }
    ).run()


def _by_cell(study: Bench) -> dict[int, list[TrialRecord]]:
    return {
        cell.cell.stragglers: sorted(timeless(cell.trials), key=lambda trial: trial.proposal)
        for cell in study.history().cells
    }


def _states(study: Bench) -> set[TrialState]:
    return {trial.state for cell in study.studies.values() for trial in cell._study.trials}


def _undisturbed(spec: StudySpec, folder: Path) -> dict[int, list[TrialRecord]]:
    study = bench(spec, folder)
    study.search().run()
    return _by_cell(study)


@pytest.mark.parametrize(("strategy", "sampler"), [("profile", "tpe"), ("joint", "tpe"), ("joint", "gp")])
def test_a_search_that_is_killed_again_and_again_ends_as_an_undisturbed_one(
    strategy: str, sampler: str, tmp_path: Path
) -> None:
    spec = tiny_spec(f"search.strategy={strategy}", f"search.sampler={sampler}", "search.trials=4")
    for at in (5, 2, 3):
        run_killed(partial(_search, spec, tmp_path / "in parts", at=at))
    resumed = bench(spec, tmp_path / "in parts")
    resumed.search().run()
    assert _by_cell(resumed) == _undisturbed(spec, tmp_path / "at once")
    for cell in resumed.studies.values():
        cell.close()
    assert TrialState.RUNNING not in _states(resumed)


def _killing(function: Callable[..., object], *, after: int, is_late: bool) -> Callable[..., object]:
    """Return a function that kills the process in one of its calls, before it does what it does or after that."""
    calls: list[None] = []

    def call(*arguments: object, **options: object) -> object:
        calls.append(None)
        if len(calls) > after and not is_late:
            die()
        result = function(*arguments, **options)
        if len(calls) > after:
            die()
        return result

    return call


_STEPS = {
    "create a lease": (Leases, "create"),
    "note a plan": (Leases, "note"),
    "end a lease": (Leases, "end"),
    "start a trial": (CellStudy, "_start"),
    "finish a trial": (CellStudy, "_finish"),
}


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", _STEPS)
def test_a_search_that_is_killed_beside_any_step_in_the_storage_loses_nothing(
    step: str, is_late: bool, tmp_path: Path
) -> None:
    owner, name = _STEPS[step]

    def run() -> None:
        setattr(owner, name, _killing(getattr(owner, name), after=3, is_late=is_late))
        bench(SPEC, tmp_path / "in parts").search().run()

    run_killed(run)
    resumed = bench(SPEC, tmp_path / "in parts")
    resumed.search().run()
    assert _by_cell(resumed) == _undisturbed(SPEC, tmp_path / "at once")


def test_workers_that_search_together_find_each_proposal_once(tmp_path: Path) -> None:
    """What `random` proposes does not depend on what is known, so that all find the same."""

    def run() -> float:
        study = bench(SPEC, tmp_path / "together")
        assert study.search().run() == 5
        return study.tuning.outputs.forwards

    run_all(run, run, run)
    together = bench(SPEC, tmp_path / "together")
    assert _by_cell(together) == _undisturbed(SPEC, tmp_path / "alone")
    assert _states(together) == {TrialState.COMPLETE}


@pytest.mark.parametrize("only", [None, 2, 4], ids=["all cells", "its own cell", "another cell"])
def test_a_proposal_that_kills_its_workers_is_given_up(
    only: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here after two deaths: also where one cell has it, and another one runs out of memory."""
    monkeypatch.setattr(search, "_DEATHS_AT_MOST", 2)
    undisturbed = _undisturbed(SPEC, tmp_path / "at once")
    deadly = [trial.proposal for trial in undisturbed[2] if trial.lambda_enc > 1e-4]
    for _ in range(2 * len(deadly)):
        run_killed(partial(_search, SPEC, tmp_path / "killed", above=1e-4, only=only))
    run_all(partial(_search, SPEC, tmp_path / "killed", above=1e-4, only=only))
    survived = _by_cell(bench(SPEC, tmp_path / "killed"))
    for stragglers, trials in survived.items():
        assert [trial.proposal for trial in trials] == list(range(5))
        for trial, other in zip(trials, undisturbed[stragglers], strict=True):
            assert trial.encoding == other.encoding
            if trial.proposal not in deadly:
                assert trial == other
    failed = {(s, trial.proposal) for s, trials in survived.items() for trial in trials if trial.reason}
    assert failed
    assert {proposal for _, proposal in failed} == set(deadly)
    for stragglers, proposal in failed:
        reason = survived[stragglers][proposal].reason
        assert reason == "2 workers died while they ran it; the memory may not suffice."


def test_a_worker_whose_trial_is_failed_while_it_samples_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker thought it dead, and took its proposal."""
    study = bench(SPEC, tmp_path / "superseded")
    kept = CellStudy.suggest
    failed: list[int] = []

    def be_failed(self: CellStudy, trial: Trial, name: str) -> float:
        if len(failed) < 2:
            failed.append(trial.number)
            bench(SPEC, tmp_path / "superseded").studies[self.cell.stragglers].close()
        return kept(self, trial, name)

    monkeypatch.setattr(CellStudy, "suggest", be_failed)
    study.search().run()
    assert len(failed) == 2
    assert _by_cell(study) == _undisturbed(SPEC, tmp_path / "at once")


def test_what_was_planned_is_proposed_again_though_more_is_known(tmp_path: Path) -> None:
    study = bench(tiny_spec("search.strategy=joint", "search.sampler=tpe", "search.trials=4"), tmp_path)
    proposals = Proposals(spec=study.spec, studies=study.studies)
    first: Sampled = proposals.sample(2, planned=None)
    other = replace(first.proposal, lambda_dec=1e-3, encoding=Encoding(lambda_enc=1e-5))
    again = proposals.sample(2, planned=other)
    assert (again.proposal.lambda_dec, again.proposal.encoding.lambda_enc) == (1e-3, 1e-5)
    assert proposals.sample(2, planned=again.proposal).proposal == again.proposal

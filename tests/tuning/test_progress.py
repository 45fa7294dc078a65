from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.spec import StudySpec
from nercc_tune.tuning import Progress, Proposals
from tests.fakes import Bench, bench, tiny_spec
from tests.tuning.cells import SCORE, record_of
from tests.tuning.leasing import ledger_in

SPEC = tiny_spec("search.strategy=joint", "search.sampler=random", "search.trials=9", "search.patience=2")


def _progress(study: Bench, folder: Path) -> Progress:
    return Progress(
        proposals=Proposals(spec=study.spec, studies=study.studies),
        ledger=ledger_in(folder),
        on_trial=lambda _study, record: study.told.append(record),
        on_proposal=lambda done, budget: study.proposals.append((done, budget)),
    )


def _write(folder: Path, spec: StudySpec, proposals: Iterable[int], *, cells: Iterable[int] = (2, 4)) -> None:
    """Let another worker add records: the first is the best of all."""
    study = bench(spec, folder)
    for proposal in proposals:
        for stragglers in cells:
            score = replace(SCORE, mse=1.0 if proposal == 0 else 2.0)
            study.studies[stragglers].add(replace(record_of(proposal), score=score))


def test_proposals_are_done_when_all_cells_have_them(tmp_path: Path) -> None:
    _write(tmp_path, SPEC, [0, 1, 3])
    _write(tmp_path, SPEC, [2, 5], cells=[4])
    study = bench(SPEC, tmp_path)
    progress = _progress(study, tmp_path)
    progress.refresh()
    assert progress.done == 3
    assert [progress.lacking(proposal) for proposal in range(5)] == [[], [], [2], [], [2, 4]]
    first = progress.first_of(5)
    assert first is not None
    assert first.proposal == 5
    assert progress.first_of(4) is None
    assert study.proposals == [(3, 10)]


def test_records_of_others_are_told_once(tmp_path: Path) -> None:
    _write(tmp_path, SPEC, [0])
    study = bench(SPEC, tmp_path)
    progress = _progress(study, tmp_path)
    progress.refresh()
    assert (study.told, progress.added) == ([], 0)
    _write(tmp_path, SPEC, [1])
    own = study.studies[2].add(record_of(2))
    progress.keep(2, own)
    for _ in range(2):
        progress.refresh()
    assert [record.proposal for record in study.told] == [2, 1, 1]
    assert progress.added == 3
    assert study.proposals == [(1, 10), (2, 10)]
    progress.keep(4, study.studies[4].add(record_of(2)))
    assert study.proposals[-1] == (3, 10)


@pytest.mark.parametrize(
    ("proposals", "is_exhausted"),
    [([], False), ([0], False), ([0, 1], False), ([0, 1, 2], True), ([0, 1, 3, 4, 5], False), ([1, 2, 3, 4], False)],
)
def test_proposals_count_up_to_the_first_that_is_not_done(
    proposals: list[int], is_exhausted: bool, tmp_path: Path
) -> None:
    """With a hole in them nothing says that the one in the hole improves nothing."""
    _write(tmp_path, SPEC, proposals)
    progress = _progress(bench(SPEC, tmp_path), tmp_path)
    progress.refresh()
    assert progress.is_exhausted == is_exhausted


def test_what_lies_behind_a_hole_improves_nothing_before_it(tmp_path: Path) -> None:
    """Whether to stop is decided on proposals 0 to 2, though 4 is better."""
    _write(tmp_path, SPEC, [0, 1, 2])
    study = bench(SPEC, tmp_path)
    for cell in study.studies.values():
        cell.add(replace(record_of(4), score=replace(SCORE, mse=0.1)))
    progress = _progress(study, tmp_path)
    progress.refresh()
    assert progress.is_exhausted


@pytest.mark.parametrize(
    "endless", ["search.patience=0", "search.sampler=grid", "search.objective=pareto"], ids=lambda text: text
)
def test_some_searches_are_never_exhausted(endless: str, tmp_path: Path) -> None:
    more = ("search.min_agreement=0.5",) if "pareto" in endless else ()
    spec = tiny_spec("search.strategy=joint", "search.trials=9", "search.patience=2", endless, *more)
    _write(tmp_path, spec, range(9))
    progress = _progress(bench(spec, tmp_path), tmp_path)
    progress.refresh()
    assert not progress.is_exhausted


def test_a_search_is_over_when_nobody_works_any_more(tmp_path: Path) -> None:
    """Its budget is 10 proposals, but it is exhausted after three."""
    progress = _progress(bench(SPEC, tmp_path), tmp_path)
    other = ledger_in(tmp_path)
    leases = [other.take(budget=10, may_begin=True) for _ in range(4)]
    _write(tmp_path, SPEC, [0, 1, 2])
    progress.refresh()
    assert progress.is_exhausted
    for lease in leases:
        assert lease is not None
        assert not progress.is_over
        other.finish(lease)
    assert progress.is_over


def test_a_search_is_over_when_its_budget_is_used(tmp_path: Path) -> None:
    spec = tiny_spec("search.strategy=joint", "search.sampler=random", "search.trials=2", "search.patience=0")
    _write(tmp_path, spec, [0, 1])
    progress = _progress(bench(spec, tmp_path), tmp_path)
    progress.refresh()
    assert not progress.is_over
    _write(tmp_path, spec, [2])
    progress.refresh()
    assert (progress.is_over, progress.is_exhausted) == (True, False)
    lease = ledger_in(tmp_path).take(budget=3, may_begin=True)
    assert lease is not None
    assert not progress.is_over

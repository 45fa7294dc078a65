from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from nercc_tune.errors import HomeError, NerccTuneError, SpecError
from nercc_tune.export.table import read_table
from nercc_tune.home import Home
from nercc_tune.inference import split_queries
from nercc_tune.launch.events import LaunchEvents
from nercc_tune.launch.family import launch_family, write_family
from nercc_tune.launch.pipeline import launch
from nercc_tune.records import TrialRecord
from nercc_tune.spec import Family, StudySpec
from nercc_tune.tracking.silent import MlflowClient
from nercc_tune.tuning import open_storage, read_history, study_names
from nercc_tune.workloads import QuerySource, Workload
from tests.fakes import loader, tiny_home, tiny_workload
from tests.families import finished_family, finished_family_home, tiny_family


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.chdir(tmp_path_factory.getbasetemp())  # outside a checkout, whose commit is a part of the table
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))


@pytest.fixture
def _without_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures of each member, which take most of the time."""
    monkeypatch.setattr("nercc_tune.reporting.report.write_report", lambda *_args, **_options: [])


class _Watched:
    """Writes down what a launch tells of which study, and interrupts it at a trial of one."""

    def __init__(self, *, stop_in: str = "") -> None:
        self.told: list[tuple[str, str]] = []
        self.left: list[str] = []
        self._stop_in = stop_in

    @contextmanager
    def __call__(self, spec: StudySpec) -> Iterator[LaunchEvents]:
        def stop(_record: TrialRecord) -> None:
            if spec.name == self._stop_in:
                raise KeyboardInterrupt

        def tell(text: str) -> None:
            self.told.append((spec.name, text))

        yield LaunchEvents(stage=tell, notice=tell, trial=stop)
        self.left.append(spec.name)


def _launch(family: Family, home: Home, watched: _Watched | None = None, *, fresh: bool = False) -> list[str]:
    """Launch a family, and return the digests of its tables."""
    return [result.table.digest for result in launch_family(family, home, watch=watched or _Watched(), fresh=fresh)]


class _Counting:
    """Queries that are counted when they are prepared."""

    def __init__(self, source: QuerySource) -> None:
        self._source = source
        self.name, self.labels, self.identity = source.name, source.labels, source.identity
        self.prepared: list[int] = []

    def __len__(self) -> int:
        return len(self._source)

    def check(self, indices: Sequence[int]) -> tuple[str, ...]:
        return self._source.check(indices)

    def load(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        self.prepared += indices
        return self._source.load(indices)


def test_every_member_is_an_ordinary_study(tmp_path: Path) -> None:
    home = finished_family_home(tmp_path)
    assert study_names(open_storage(home.storage_url)) == ["tiny-N10", "tiny-N20"]
    for result, member in zip(finished_family(), tiny_family().members, strict=True):
        assert result.table.study_digest == member.digest
        assert {entry.workers for entry in result.table.entries} == {member.code.workers}
        assert tuple(entry.stragglers for entry in result.table.entries) == member.code.stragglers
        assert read_table(home.study(member.name) / "table.json") == result.table
        assert (home.study(member.name) / "report.html").is_file()
        assert MlflowClient(tracking_uri=home.tracking_url).get_experiment_by_name(member.name) is not None


def test_the_family_leaves_its_table_and_figure_beside_them(tmp_path: Path) -> None:
    folder = finished_family_home(tmp_path).study("tiny")
    assert sorted(path.name for path in folder.iterdir()) == ["redundancy.csv", "redundancy.md", "redundancy.png"]
    assert "N = 10, 20 workers" in (folder / "redundancy.md").read_text(encoding="utf-8")


def test_the_same_groups_are_drawn_for_every_number_of_workers() -> None:
    first, *others = (split_queries(member, 200) for member in tiny_family("code.workers=[5, 12, 40, 199]").members)
    assert all(other == first for other in others)


def test_the_plain_outputs_are_computed_once() -> None:
    """A study of its own runs the model on the plain queries of each part, too."""
    first, second = finished_family()
    for part in ("tuning", "validation", "heldout"):
        assert second.forwards[part] == first.forwards[part] - 1


@pytest.mark.slow
@pytest.mark.usefixtures("_without_reports")
def test_a_member_has_the_table_of_a_launch_of_its_own(tmp_path: Path) -> None:
    alone = launch(tiny_family().members[1], tiny_home(tmp_path))
    assert alone.table.digest == finished_family()[1].table.digest
    assert alone.forwards == finished_family()[0].forwards


@pytest.mark.usefixtures("_without_reports")
def test_the_model_is_loaded_once_and_each_query_prepared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = tiny_workload()
    counting = _Counting(workload.data)
    loads: list[Workload] = []

    def load(*_args: object, **_options: object) -> Workload:
        loads.append(replace(workload, data=counting))
        return loads[-1]

    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", load)
    family = tiny_family("search.trials=1", "evaluation.bootstrap=100")
    _launch(family, tiny_home(tmp_path))
    assert len(loads) == 1
    split = split_queries(family.members[0], len(workload.data))
    once = [index for part in (split.tuning, split.validation, split.heldout) for group in part for index in group]
    shown = list(split.heldout[0])  # the group of the figure of coded queries
    assert sorted(counting.prepared) == sorted(once + shown)


@pytest.mark.usefixtures("_without_reports")
def test_an_interrupted_family_goes_on_and_ends_with_the_tables_of_an_undisturbed_one(tmp_path: Path) -> None:
    home = tiny_home(tmp_path)
    stopped = _Watched(stop_in="tiny-N20")
    with pytest.raises(KeyboardInterrupt):
        _launch(tiny_family(), home, stopped)
    assert stopped.left == ["tiny-N10"]
    storage = open_storage(home.storage_url)
    assert read_history(storage, "tiny-N10").is_judged
    assert not read_history(storage, "tiny-N20").is_finished
    assert not home.study("tiny").exists()
    results = list(launch_family(tiny_family(), home, watch=_Watched()))
    assert [result.table.digest for result in results] == [result.table.digest for result in finished_family()]
    assert set(results[0].forwards.values()) == {0}
    folder = write_family(tiny_family(), home, results)
    expected = finished_family_home(tmp_path / "undisturbed").study("tiny")
    for name in ("redundancy.md", "redundancy.csv", "redundancy.png"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes()


_REFUSED: dict[str, tuple[tuple[str, ...], type[NerccTuneError], str]] = {
    "nodes that there are not": (("code.nodes=random",), SpecError, "`nodes` must be one of"),
    "racks that the last has not": (
        ("code={ queries = 5, workers = [20, 12], stragglers = [1], rack = 15 }", "straggling={ model = 'bursts' }"),
        SpecError,
        "racks of 15 of 12",
    ),
}


@pytest.mark.parametrize("case", _REFUSED)
def test_all_members_are_checked_before_anything_is_written(case: str, tmp_path: Path) -> None:
    overrides, kind, message = _REFUSED[case]
    with pytest.raises(kind, match=message):
        _launch(tiny_family(*overrides), Home(tmp_path / "home"))
    assert list(tmp_path.iterdir()) == []


def test_a_member_that_is_another_study_is_found_before_the_first_is_searched(tmp_path: Path) -> None:
    home = finished_family_home(tmp_path)
    wider = tiny_family("code.workers=[12, 20]", "search.seed=1")
    watched = _Watched()
    with pytest.raises(HomeError, match="results of another study file named `tiny-N20`"):
        _launch(wider, home, watched)
    assert watched.told == []
    assert study_names(open_storage(home.storage_url)) == ["tiny-N10", "tiny-N20"]


def test_a_family_that_is_being_launched_is_refused_whichever_member_is_at_work(tmp_path: Path) -> None:
    home = tiny_home(tmp_path)
    with home.locked("tiny-N20"), pytest.raises(HomeError, match="study `tiny-N20` is being launched by process"):
        _launch(tiny_family(), home)


@pytest.mark.slow
@pytest.mark.usefixtures("_without_reports")
def test_starting_over_forgets_the_results_of_every_member(tmp_path: Path) -> None:
    home = finished_family_home(tmp_path)
    other = tiny_family("search.seed=1")
    _launch(other, home, fresh=True)
    storage = open_storage(home.storage_url)
    assert [read_history(storage, member.name).digest for member in other.members] == [
        member.digest for member in other.members
    ]

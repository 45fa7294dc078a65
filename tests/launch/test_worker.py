"""Workers that join a study from elsewhere, by `nercc_tune.launch.worker` and by the command."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.storages import RDBStorage

from nercc_tune.errors import HomeError, StorageError
from nercc_tune.home import Home
from nercc_tune.launch.events import LaunchEvents, WorkerEvents
from nercc_tune.launch.pipeline import launch
from nercc_tune.launch.worker import Job, _join, work
from nercc_tune.tuning import Ledger, closing_storage, open_cells, open_existing, open_storage, read_history
from nercc_tune.tuning.holder import Holder
from tests.fakes import (
    finished_home,
    info,
    loader,
    sqlite_url,
    tiny_cells,
    tiny_home,
    tiny_spec,
    tiny_workload,
)
from tests.program import command_line, run_program
from tests.services.postgres import Postgres
from tests.tuning.leasing import ELSEWHERE, ledger_in

__all__ = ["command_line"]

pytestmark = pytest.mark.usefixtures("command_line")


def _assert_refused(shown: str, message: str) -> None:
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    assert message in shown


def _begun(folder: Path, *, proposals: int) -> Home:
    """Return a home in which a launch was stopped after some proposals."""
    home = tiny_home(folder)

    def stop(done: int, _budget: int) -> None:
        if done >= proposals:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(tiny_spec(), home, events=LaunchEvents(proposal=stop))
    return home


def _proposals(home: Home) -> list[list[int]]:
    with closing_storage(open_existing(home.storage_url)) as storage:
        cells = read_history(storage, "tiny").cells
    return [sorted(trial.proposal for trial in cell.trials) for cell in cells]


def test_a_worker_joins_by_name_and_does_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = _begun(Path("launched"), proposals=3)
    assert run_program(monkeypatch, "worker", "tiny", "--storage", home.storage_url, "--home", "mine") == 0
    shown = capsys.readouterr().out
    assert "8/8 proposals\n" in shown
    assert "nothing is left to do; 6 forward passes were computed here" in shown  # for 5 proposals, and plain queries
    assert _proposals(home) == [list(range(8)), list(range(8))]
    assert not Path("mine/optuna.db").exists()
    assert not Path("mine/studies").exists()


def test_a_worker_reports_what_it_does(tmp_path: Path) -> None:
    home = _begun(tmp_path / "home", proposals=6)
    told: list[object] = []
    events = WorkerEvents(
        stage=told.append, ready=lambda: told.append("ready"), proposal=lambda *counts: told.append(counts)
    )
    job = Job(spec=tiny_spec(), home=home, storage=home.storage_url, device="cpu", threads=1)
    assert work(job, events).forwards == 2
    assert told == ["loading lenet5 on digits", "loading", "ready", (6, 8), (7, 8), (8, 8)]


def test_a_finished_study_leaves_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "worker", "tiny.toml", "--home", "home") == 0
    assert "nothing is left to do; 0 forward passes" in capsys.readouterr().out


@pytest.mark.parametrize("study", ["tiny", "tiny.toml"])
def test_what_was_never_launched_cannot_be_joined(
    study: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(monkeypatch, "worker", study, "--home", "home") == 2
    _assert_refused(capsys.readouterr().err, "run `nercc-tune launch` first")
    assert not Path("home").exists()
    tiny_home(Path("home"))
    assert run_program(monkeypatch, "worker", study, "--home", "home") == 2
    _assert_refused(capsys.readouterr().err, "`tiny`")


@pytest.mark.parametrize("study", ["tiny", "tiny.toml"])
def test_another_study_of_the_same_name_cannot_be_joined(
    study: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_home(Path("home"))
    assert run_program(monkeypatch, "worker", study, "--home", "home", "--set", "search.seed=9") == 2
    _assert_refused(capsys.readouterr().err, "this home holds results of another study file named `tiny`; join it by")


def test_other_weights_cannot_join(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    finished_home(Path("home"))
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload(fingerprint="other")))
    assert run_program(monkeypatch, "worker", "tiny", "--home", "home") == 2
    _assert_refused(capsys.readouterr().err, "the weights or the data of study `tiny` changed since its first launch")


def test_another_host_cannot_join_by_sqlite(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = finished_home(Path("home"))
    with ledger_in(home.root, machine=ELSEWHERE).conducted():
        pass
    assert run_program(monkeypatch, "worker", "tiny", "--home", "home") == 2
    _assert_refused(
        capsys.readouterr().err,
        "study `tiny` was launched on far with SQLite, which serves one host: its locks do not hold across a network; "
        "launch it with `--storage postgresql+psycopg://USER@HOST/DATABASE`.",
    )


def _launch_elsewhere(storage: RDBStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tiny_spec()
    open_cells(storage, spec, tiny_cells(spec), info(tiny_workload()))
    far = Holder(host="far", machine=ELSEWHERE, pid=1, started="1")
    with monkeypatch.context() as patch:
        patch.setattr(Holder, "here", lambda: far)
        ledger = Ledger(storage, spec.name)
    with ledger.conducted():
        pass


def test_another_host_may_join_by_a_server(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing_storage(open_storage(postgres.new_database())) as storage:
        _launch_elsewhere(storage, monkeypatch)
        launcher = _join(storage, tiny_spec()).launched_by()
    assert launcher is not None
    assert launcher.host == "far"
    with closing_storage(open_storage(sqlite_url(tmp_path / "home"))) as storage:
        _launch_elsewhere(storage, monkeypatch)
        with pytest.raises(StorageError, match="was launched on far with SQLite, which serves one host"):
            _join(storage, tiny_spec())


def test_a_study_is_launched_once_at_a_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From another home the lock of the folder does not tell, but the lease in the storage does."""
    home = finished_home(Path("home"))
    with (
        closing_storage(open_existing(home.storage_url)) as storage,
        Ledger(storage, "tiny").conducted(),
    ):
        me = Holder.here()
        for options in ((), ("--fresh",)):
            command = ("launch", "tiny.toml", "--storage", home.storage_url, "--home", "other", *options)
            assert run_program(monkeypatch, *command) == 2
            _assert_refused(capsys.readouterr().err, f"study `tiny` is being launched by {me}; wait for it, or join it")
        assert run_program(monkeypatch, "sync", "tiny", "--home", "home") == 2
        _assert_refused(capsys.readouterr().err, f"study `tiny` is being launched by {me}; wait for it, or join it")
    assert _proposals(home) == [list(range(8)), list(range(8))]
    assert run_program(monkeypatch, "sync", "tiny", "--home", "home") == 0


def test_a_worker_needs_no_launch_that_runs(tmp_path: Path) -> None:
    home = _begun(tmp_path / "home", proposals=7)
    with closing_storage(open_existing(home.storage_url)) as storage:
        assert Ledger(storage, "tiny").conductor() is None
    work(Job(spec=tiny_spec(), home=home, storage=home.storage_url))
    assert _proposals(home) == [list(range(8)), list(range(8))]


def test_a_worker_of_another_study_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = finished_home(tmp_path / "home")
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", None)
    with pytest.raises(HomeError, match="another study file"):
        work(Job(spec=tiny_spec("search.seed=9"), home=home, storage=home.storage_url))

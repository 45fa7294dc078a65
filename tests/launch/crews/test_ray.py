from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from nercc_tune.errors import CrewError, HomeError, StorageError
from nercc_tune.home import Home
from nercc_tune.launch.crews.making import make_crew
from nercc_tune.launch.crews.ray import RayCrew
from nercc_tune.launch.crews.ray_cluster import check_hosts, connected
from nercc_tune.launch.events import LaunchEvents
from nercc_tune.launch.pipeline import launch
from nercc_tune.launch.worker import Job
from nercc_tune.spec import StudySpec, parse_study
from nercc_tune.tuning import open_existing, read_history
from nercc_tune.tuning.leases import HOLDER
from nercc_tune.tuning.ledger import ledger_name
from tests.fakes import TINY, tiny_home, tiny_spec

PASS_S = 0.25
TRIALS = 200
SLOW_MODEL = f"""
import time
import torch
from torch import nn

class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 4)

    def forward(self, queries):
        time.sleep({PASS_S})
        return torch.tanh(self.layer(queries.flatten(1)) * 5)
"""


def _slow_spec(folder: Path, address: str) -> StudySpec:
    """Return a study whose forward passes take a while, with what it loads in a folder."""
    (folder / "slow_model_of_a_test.py").write_text(SLOW_MODEL, encoding="utf-8")
    images = np.random.default_rng(0).random((200, 1, 8, 8), dtype=np.float32)
    np.savez(folder / "queries.npz", images=images, labels=np.arange(200) % 4)
    return parse_study(
        TINY,
        overrides=(
            "workload.model=slow_model_of_a_test:Slow",
            "workload.data=npz",
            f"workload.data_dir={folder / 'queries.npz'}",
            f"search.trials={TRIALS}",
            "search.sampler=random",
            "search.patience=0",
            "resources.workers=2",
            f"resources.ray={address}",
        ),
    )


def _job(spec: StudySpec, home: Home) -> Job:
    return Job(spec=spec, home=home, storage=home.storage_url, allow_code=True)


def _leases(home: Home, name: str) -> list[optuna.trial.FrozenTrial]:
    storage = open_existing(home.storage_url, heartbeat_s=10, grace_s=30)
    return optuna.load_study(study_name=ledger_name(name), storage=storage).trials


def _began_after(moment: dt.datetime, leases: list[optuna.trial.FrozenTrial]) -> dict[str, dt.datetime]:
    """Return when each process that took a lease after a moment did so first."""
    starts = [(trial.datetime_start, str(trial.user_attrs[HOLDER]["holder"])) for trial in leases]
    later = sorted((start, holder) for start, holder in starts if start is not None and start > moment)
    return {holder: start for start, holder in reversed(later)}


def _has_each_proposal_once(home: Home, spec: StudySpec, budget: int) -> bool:
    history = read_history(open_existing(home.storage_url, heartbeat_s=10, grace_s=30), spec.name)
    return all(sorted(record.proposal for record in cell.trials) == list(range(budget)) for cell in history.cells)


def test_sqlite_serves_the_nodes_of_this_host_only() -> None:
    here = socket.gethostname()
    check_hosts({here}, "sqlite:////home/optuna.db")
    check_hosts({here, "other"}, "postgresql+psycopg://ann@db/optuna")
    with pytest.raises(StorageError, match=r"nodes on other hosts \(other\), and SQLite serves one host.*postgresql"):
        check_hosts({here, "other"}, "sqlite:////home/optuna.db")


@pytest.mark.parametrize(
    ("device", "gpus", "expected"),
    [("auto", 0, "cpu"), ("auto", 0.5, None), ("cuda:3", 1, "cuda"), ("cuda:3", 0, None), ("cpu", 0, None)],
)
def test_an_actor_uses_what_ray_gave_it(device: str, gpus: float, expected: str | None) -> None:
    spec = tiny_spec(f"workload.device={device}", f"resources.num_gpus={gpus}", "resources.num_cpus=2.5")
    job = RayCrew(_job(spec, Home(Path("there"))))._job
    assert (job.device, job.threads) == (expected, 2)
    assert job.home.root == Path.cwd() / "there"


@pytest.mark.parametrize("address", ["nonsense", "ray://host:10001", ":6379", "host:", "host:port"])
def test_an_address_has_a_form(address: str) -> None:
    with pytest.raises(CrewError, match="`--ray` must be auto, local or HOST:PORT"), connected(address, cpus=1):
        pass


def test_an_address_where_nothing_answers_is_refused(tmp_path: Path) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    crew = make_crew(_job(tiny_spec(f"resources.ray={address}"), Home(tmp_path)), notify=lambda _: None)
    began = time.monotonic()
    with pytest.raises(CrewError, match=rf"no Ray cluster answers at {address} \(.*refused\); correct --ray\.$"):
        crew.start()
    assert time.monotonic() - began < 5
    crew.stop()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_what_answers_otherwise_is_no_cluster(answer: bytes) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(CrewError, match=f"what answers at {address} is no Ray cluster"), connected(address, cpus=1):
            pass
        thread.join()


@pytest.mark.slow
def test_ray_may_be_missing() -> None:
    code = """
        import sys
        from nercc_tune.launch.crews.ray_cluster import connected
        from nercc_tune.errors import CrewError

        sys.modules["ray"] = None  # as if it were not installed
        try:
            with connected("local", cpus=1):
                pass
        except CrewError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a fixed program
    assert done.stdout == 'Ray is not installed; `pip install "nercc-tune[ray]"`\n'


@pytest.mark.slow
def test_a_launch_on_a_new_local_cluster(tmp_path: Path) -> None:
    """In a process of its own, as a user would: what Ray keeps in a process does not meet other tests."""
    home, file = tiny_home(tmp_path / "home"), tmp_path / "tiny.toml"
    file.write_text(TINY, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    options = ["--home", str(home.root), "--ray", "local", "--workers", "2", "--set", "search.patience=0"]
    done = subprocess.run(  # noqa: S603 - a fixed program
        [sys.executable, "-c", "from nercc_tune.cli import main; main()", "launch", str(file), *options],
        capture_output=True,
        text=True,
        env=environment | {"HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "searching with 2 workers" in done.stdout + done.stderr
    assert "died" not in done.stdout + done.stderr
    assert not (tmp_path / ".ray").exists()
    assert _has_each_proposal_once(home, tiny_spec(), budget=8)


@dataclass(kw_only=True)
class Nodes:
    """A cluster on this machine: a head without CPUs, and nodes of one CPU each.

    Attributes:
        folder: From which its nodes import Python code.
    """

    folder: Path
    cluster: Any
    nodes: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self) -> None:
        self.nodes.append(self.cluster.add_node(num_cpus=1))

    def remove(self) -> None:
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    folder = tmp_path_factory.mktemp("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.syspath_prepend(folder)
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray leaves a token in the user's home
        from ray.cluster_utils import Cluster  # noqa: PLC0415  # takes seconds, and reads the environment

        head = {"num_cpus": 0, "include_dashboard": False}
        found = Nodes(folder=folder, cluster=Cluster(initialize_head=True, head_node_args=head))
        found.add()
        found.add()
        yield found
        found.cluster.shutdown()


@dataclass(kw_only=True)
class Interrupted:
    """A launch on the cluster that the user stopped."""

    home: Home
    spec: StudySpec
    stopped_within_s: float


@pytest.fixture(scope="module")
def interrupted(nodes: Nodes) -> Interrupted:
    home, spec = tiny_home(nodes.folder / "home"), _slow_spec(nodes.folder, nodes.address)
    stopped: list[float] = []

    def stop(done: int, _budget: int) -> None:
        if done >= 6:
            stopped.append(time.monotonic())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(spec, home, allow_code=True, events=LaunchEvents(proposal=stop))
    return Interrupted(home=home, spec=spec, stopped_within_s=time.monotonic() - stopped[0])


@pytest.mark.slow
def test_an_interrupted_launch_gives_the_proposals_back(interrupted: Interrupted) -> None:
    leases = _leases(interrupted.home, interrupted.spec.name)
    assert optuna.trial.TrialState.RUNNING not in {trial.state for trial in leases}
    assert interrupted.stopped_within_s < 40


@pytest.mark.slow
def test_an_error_that_another_worker_would_meet_ends_the_launch(interrupted: Interrupted) -> None:
    other = interrupted.spec.model_copy(
        update={"search": interrupted.spec.search.model_copy(update={"trials": TRIALS, "seed": 1})}
    )
    crew = RayCrew(_job(other, interrupted.home))
    crew.start()
    try:
        with pytest.raises(HomeError, match=r"^this home holds results of another study file named `tiny`"):
            _tend(crew, seconds=180)
    finally:
        crew.stop()


@pytest.mark.slow
def test_workers_of_a_lost_node_are_replaced(interrupted: Interrupted, nodes: Nodes) -> None:
    """It is lost in the middle of the search, and another one comes later."""
    told: list[str] = []
    lost: list[dt.datetime] = []

    def lose(done: int, _budget: int) -> None:
        if done >= 30 and not lost:
            nodes.remove()
            lost.append(dt.datetime.now())  # noqa: DTZ005 - Optuna's times are naive, too
            nodes.add()

    events = LaunchEvents(stage=told.append, proposal=lose)
    result = launch(interrupted.spec, interrupted.home, allow_code=True, events=events)
    assert [line for line in told if "died" in line] == [
        "a search worker died (its node is gone); another one takes its place"
    ]
    holders = _began_after(lost[0], _leases(interrupted.home, interrupted.spec.name))
    assert len(holders) == 2  # the one that went on, and the one that took the place of the other
    assert result.history.is_judged
    assert _has_each_proposal_once(interrupted.home, interrupted.spec, budget=TRIALS + 2)


def _tend(crew: RayCrew, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        crew.tend()
        time.sleep(0.1)

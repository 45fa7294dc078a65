"""A service on a real Ray Serve, one for all tests of this file: no query is lost or mixed up, whatever happens."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from nercc_tune.errors import DashboardError, ServiceError
from nercc_tune.hosting.host import Host, hosting
from nercc_tune.hosting.plan import Offer
from nercc_tune.hosting.settings import HostSettings
from nercc_tune.service.plain_codec import PlainCodec
from nercc_tune.service.query_reading import QueryReader
from nercc_tune.service.ray_workers import Placement
from nercc_tune.service.schemes import plain
from nercc_tune.workloads.preprocessing import FixedSize

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Ray Serve's own, of pydantic
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Ray's processes
]

WORKERS = 3
LIMIT = 40
SHAPE = (1, 4, 4)


def network(*, shift: int = 0, seconds: float = 0.0, scale: float = 30.0) -> nn.Module:
    """Return a model of 16 classes: the place of the largest number of a query, shifted; it takes a while."""

    class Shifted(nn.Module):  # local, so that it travels by value
        def forward(self, queries: Tensor) -> Tensor:
            time.sleep(seconds)
            return queries.flatten(1).roll(shift, 1) * scale

    return Shifted().eval()


def offer(*networks: nn.Module, title: str) -> Offer:
    return Offer(
        scheme=plain(len(networks)),
        codec=PlainCodec(tasks=1, output_kind="logits"),
        networks=networks,
        reader=QueryReader(query_shape=SHAPE, preprocessing=FixedSize(channels=1, size=4, mean=(0.0,), std=(1.0,))),
        about={"serves": title},
    )


def same(title: str, *, shift: int = 0, seconds: float = 0.0) -> Offer:
    model = network(shift=shift, seconds=seconds)
    return offer(*[model] * WORKERS, title=title)


FIRST = same("first")


def one_hot(place: int) -> Tensor:
    return torch.eye(16)[place].reshape(SHAPE)


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    headers: Any
    body: Any


@dataclass(frozen=True, kw_only=True)
class Service:
    host: Host
    began: float

    def request(self, path: str, body: bytes | None = None, kind: str = "application/json") -> Reply:
        asked = urllib.request.Request(self.host.url + path, data=body, headers={"Content-Type": kind})  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(asked, timeout=90) as answer:  # noqa: S310 - the same
                return Reply(status=answer.status, headers=answer.headers, body=json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            return Reply(status=error.code, headers=error.headers, body=error.read().decode())

    def ask(self, place: int) -> Reply:
        return self.request("/predict", json.dumps({"query": one_hot(place).tolist()}).encode())

    @contextmanager
    def load(self, *, clients: int = 4) -> Iterator[list[tuple[int, Reply]]]:
        """Ask all the time within the block, and collect what was asked and answered."""
        is_over, replies = threading.Event(), []

        def work(client: int) -> None:
            place = client
            while not is_over.is_set():
                replies.append((place % 16, self.ask(place % 16)))
                place += clients

        with ThreadPoolExecutor(clients) as pool:
            done = [pool.submit(work, client) for client in range(clients)]
            try:
                yield replies
            finally:
                is_over.set()
        for each in done:
            each.result()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of the workers that are served now."""
        assert self.host._workers is not None
        return self.host._workers.wait(120)

    @property
    def front_pid(self) -> int:
        children = psutil.Process().children(recursive=True)
        (pid,) = [child.pid for child in children if "ServeReplica" in " ".join(child.cmdline())]
        return int(pid)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = HostSettings(port=port, limit=LIMIT, timeout_s=60, placement=Placement(num_cpus=0))
    began = time.time() - 1.0
    with hosting(FIRST, settings) as host:
        yield Service(host=host, began=began)


def npy(query: Tensor) -> bytes:
    file = io.BytesIO()
    np.save(file, query.numpy())
    return file.getvalue()


def png(query: Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray((query[0].numpy() * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_a_query_is_answered_in_each_encoding(service: Service) -> None:
    query = one_hot(5)
    bodies = {
        "application/json": json.dumps({"query": query.tolist()}).encode(),
        "application/x-npy": npy(query),
        "image/png": png(query),
    }
    for kind, body in bodies.items():
        reply = service.request("/predict", body, kind)
        assert (reply.status, reply.body["label"], reply.body["source"]) == (200, 5, "own")
    assert service.request("/healthz").body["workers"] == WORKERS
    assert service.request("/status").body["about"] == {"serves": "first"}


def test_nothing_of_it_listens_to_other_machines(service: Service) -> None:
    assert service.ask(0).status == 200
    listening = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # Ray ends those that it does not need
            if process.create_time() >= service.began:
                listening += [
                    (process.name(), connection.laddr.ip)
                    for connection in process.net_connections("inet")
                    if connection.status == psutil.CONN_LISTEN
                ]
    assert len(listening) > 5
    assert {ip for _, ip in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, listening


def test_errors_keep_their_status_through_the_proxy(service: Service) -> None:
    body = json.dumps({"query": [1]}).encode()
    found = {
        400: service.request("/predict", body),
        413: service.request("/predict", body + b" " * 10_000),
        415: service.request("/predict", body, "text/plain"),
        404: service.request("/nothing"),
    }
    for status, reply in found.items():
        assert reply.status == status
        assert set(json.loads(reply.body)) == {"error"}
        assert "Traceback" not in reply.body


def test_a_killed_worker_comes_back_and_no_query_is_lost(service: Service) -> None:
    before = service.pids
    with service.load() as replies:
        time.sleep(1)
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + 60
        while time.monotonic() < until and service.request("/healthz").body["workers"] == WORKERS:
            time.sleep(0.1)
        while time.monotonic() < until and service.request("/healthz").body["workers"] < WORKERS:
            time.sleep(0.2)
    after = service.pids
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    assert service.request("/healthz").body["workers"] == WORKERS
    assert service.request("/status").body["status"]["tally"]["lost"] >= 1
    assert len(replies) > 20
    assert all(reply.status == 200 and reply.body["label"] == place for place, reply in replies)


def test_another_code_takes_its_place_under_load_and_back(service: Service) -> None:
    with service.load() as replies:
        time.sleep(0.5)
        service.host.replace(same("second", shift=1))
        switched = len(replies)
        time.sleep(0.5)
        assert service.request("/status").body["about"] == {"serves": "second"}
        seen = len(replies)
        service.host.replace(FIRST)
        back = len(replies)
        time.sleep(0.5)
    assert {reply.status for _, reply in replies} == {200}
    shifts = [(reply.body["label"] - place) % 16 for place, reply in replies]
    assert set(shifts) == {0, 1}
    assert set(shifts[switched + 4 : seen]) == {1}  # four clients may have had an answer of the first on its way
    assert set(shifts[back + 4 :]) == {0}
    assert shifts[0] == 0


def test_what_cannot_start_leaves_what_is_served(service: Service) -> None:
    class Broken(nn.Module):
        def __setstate__(self, _state: dict[str, Any]) -> None:
            raise RuntimeError("of no use")

    with pytest.raises(ServiceError, match=r"^a worker cannot be started: .*of no use"):
        service.host.replace(offer(*[Broken()] * WORKERS, title="broken"))
    assert service.ask(3).body["label"] == 3


def test_a_worker_that_answers_nan_is_not_believed(service: Service) -> None:
    sound, broken = network(), network(scale=float("nan"))
    service.host.replace(offer(broken, sound, sound, title="one is broken"))
    try:
        replies = [service.ask(place) for place in range(16)]
        assert [reply.body["label"] for reply in replies] == list(range(16))
        assert service.request("/status").body["status"]["workers"][0]["lost"] > 0
    finally:
        service.host.replace(FIRST)


def test_too_many_queries_are_refused_and_the_rest_answered(service: Service) -> None:
    service.host.replace(same("slow", seconds=0.3))
    try:
        with ThreadPoolExecutor(2 * LIMIT) as pool:
            replies = list(pool.map(service.ask, [place % 16 for place in range(2 * LIMIT)]))
        statuses = [reply.status for reply in replies]
        assert set(statuses) == {200, 503}
        refused = [reply for reply in replies if reply.status == 503]
        assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)
        assert all("the limit" in json.loads(reply.body)["error"] for reply in refused)
        right = [reply.body["label"] == at % 16 for at, reply in enumerate(replies) if reply.status == 200]
        assert all(right)
        assert len(right) >= LIMIT
    finally:
        service.host.replace(FIRST)


def test_a_killed_front_is_started_again_with_what_is_served(service: Service) -> None:
    service.host.replace(same("third", shift=2))
    workers = service.pids
    with service.load() as replies:
        time.sleep(0.5)
        os.kill(service.front_pid, signal.SIGKILL)
        time.sleep(1)
        until = time.monotonic() + 90
        while time.monotonic() < until and service.ask(1).status != 200:
            time.sleep(0.2)
    assert service.request("/status").body["about"] == {"serves": "third"}
    assert service.pids == workers  # they outlive it
    answered = [(place, reply) for place, reply in replies if reply.status == 200]
    assert all((reply.body["label"] - place) % 16 == 2 for place, reply in answered)
    failed = [reply for _, reply in replies if reply.status != 200]
    assert {reply.status for reply in failed} <= {500, 503}  # what the front held when it died
    assert len(failed) <= 8
    service.host.check()
    service.host.replace(FIRST)


def test_the_port_of_a_service_is_taken(service: Service) -> None:
    port = int(service.host.url.rpartition(":")[2])
    with (
        pytest.raises(DashboardError, match=f"port {port} for the service cannot be had"),
        hosting(FIRST, HostSettings(port=port)),
    ):
        pass


def test_stopping_answers_what_waits(service: Service) -> None:
    """The last: it ends the service."""
    service.host.replace(same("slow", seconds=0.3))
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(service.ask, place) for place in range(12)]
        time.sleep(0.5)
        service.host.stop()
        replies = [each.result() for each in asked]
    assert [(reply.status, reply.body["label"]) for reply in replies] == [(200, place) for place in range(12)]
    with pytest.raises(urllib.error.URLError):
        service.ask(0)

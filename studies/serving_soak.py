"""What becomes of queries while workers die, the front dies, the code is replaced, and too many of them come.

`uv run --extra ray python studies/serving_soak.py TABLE --minutes 10 --data-dir data` serves a table's policy on this
machine, and asks it over HTTP at a steady rate, whatever comes back, each query on a connection of its own. Only
queries are asked whose own probabilities differ from those of all others, so that the answer to another one cannot
pass; they are those on which the model is least sure, hence hard to estimate. The front dies in the second phase: its
memory is that of one process from there on. For each phase it prints

- how many were asked, and how they were answered, or refused, by status (`-` where the connection ended without any);
- `others'`: own answers and copies that are not what the model says of that very query;
- `agree`: the share of those decoded that have the model's label;
- `twice`: connections with two answers, and how many more answers the engine counts than came, if it was one engine;
- the median and p99 of the answers in ms, and the p99 of what the front itself took of it; the longest wait in s, for
  an answer or a refusal; and the front's memory in MB.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil  # type: ignore[import-untyped]  # it ships no types
import torch
import typer
from torch import Tensor, nn

from nercc_tune.home import Home
from nercc_tune.hosting.choosing import choose_scheme, choose_settings
from nercc_tune.hosting.host import Host, hosting
from nercc_tune.hosting.offering import Offering, settings_of_table
from nercc_tune.hosting.plan import Offer
from nercc_tune.hosting.sources import TableSource
from nercc_tune.service.probabilities import to_probabilities
from nercc_tune.spec.settings import ResourceSettings

_APART, _CLOSE = 1e-3, 1e-4
_CLIENTS = 6
_UNITS = 10.0  # of time, of all phases together
_PATIENCE_S = 90.0
_FRONT, _WORKER = "ServeReplica", "_Worker"
_HEAD = "{} {} HTTP/1.1\r\nHost: soak\r\nConnection: close\r\nContent-Type: application/x-npy\r\nContent-Length: {}"
_COLUMNS = "phase | asked | answered | refused | others' | agree | twice | p50 | p99 | front p99 | longest | MB"

_Fault = Callable[[Host, float], Coroutine[Any, Any, None]]


class Wrong(nn.Module):
    """Answers NaN, or what it should have answered before."""

    def __init__(self, model: nn.Module, *, is_late: bool) -> None:
        super().__init__()
        self._model, self._is_late = model, is_late
        self._kept: Tensor | None = None

    def forward(self, queries: Tensor) -> Tensor:
        """Answer wrongly."""
        answer: Tensor = self._model(queries)
        kept, self._kept = self._kept, answer
        return answer * torch.nan if not self._is_late else answer if kept is None else kept


@dataclass(kw_only=True)
class Load:
    """Asks a service queries, and counts what comes."""

    port: int
    bodies: list[bytes]
    truth: Tensor
    asked: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    others: int = 0
    agreeing: int = 0
    twice: int = 0
    longest: float = 0.0
    seconds: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)

    async def run(self, rate: float, until: float, fault: asyncio.Task[None]) -> None:
        """Ask until a time, or as long as something happens, each client in its own beats; wait for all answers."""

        async def client(number: int) -> None:
            beat = time.perf_counter() + number / rate
            while beat < until or not fault.done():
                await asyncio.sleep(beat - time.perf_counter())
                group.create_task(self._ask(number))
                number, beat = number + _CLIENTS, beat + _CLIENTS / rate

        async with asyncio.TaskGroup() as group:
            for first in range(_CLIENTS):
                group.create_task(client(first))

    async def replies(self) -> int:
        """Return how many answers the engine says it has given."""
        _, content, _ = await self._request("/status")
        return int(sum(content["status"]["tally"]["replies"].values()) - content["status"]["unread"])

    async def _ask(self, number: int) -> None:
        place, began = number % len(self.bodies), time.perf_counter()
        self.asked += 1
        status, content, answers = await self._request("/predict", self.bodies[place])
        taken = time.perf_counter() - began
        self.longest, self.twice = max(self.longest, taken), self.twice + (answers > 1)
        if status != "200":
            self.statuses[status] += 1
            self.reasons[status] = " ".join(content.split())[:200]
            return
        self.seconds.append(taken)
        self.inside.append(content["seconds"])
        self.sources[content["source"]] += 1
        if content["source"] == "decoded":
            self.agreeing += content["label"] == int(self.truth[place].argmax())
        else:
            self.others += bool((torch.tensor(content["probabilities"]) - self.truth[place]).abs().max() > _CLOSE)

    async def _request(self, path: str, body: bytes = b"") -> tuple[str, Any, int]:
        """Return the status, or `-`, the content, and how many answers came on the connection."""
        head = _HEAD.format("POST" if body else "GET", path, len(body)).encode()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(head + b"\r\n\r\n" + body)
                raw = await asyncio.wait_for(reader.read(), _PATIENCE_S)
            finally:
                writer.close()
        except (OSError, TimeoutError) as error:
            return "-", repr(error), 0
        status, _, content = raw.partition(b"\r\n\r\n")
        code = status.split(b" ")[1].decode() if status else "-"
        return code, json.loads(content) if code == "200" else content.decode(), raw.count(b"HTTP/1.1 ")

    def row(self, name: str, more: int | None) -> str:
        """Return what came as a row of the table, and the words of the last refusals below it."""
        answered, refused = (
            " ".join(f"{key} {count}" for key, count in sorted(counter.items())) or "none"
            for counter in (self.sources, self.statuses)
        )
        agree = f"{self.agreeing / self.sources['decoded']:.3f}" if self.sources["decoded"] else "-"
        median, late = np.quantile(self.seconds or [np.nan], (0.5, 0.99)) * 1e3
        inside = np.quantile(self.inside or [np.nan], 0.99) * 1e3
        memory = sum(process.memory_info().rss for process in processes(_FRONT)) / 2**20
        twice = f"{self.twice}" if more is None else f"{self.twice} {more:+d}"
        row = f"{name} | {self.asked} | {answered} | {refused} | {self.others} | {agree} | {twice} | "
        row += f"{median:.0f} | {late:.0f} | {inside:.0f} | {self.longest:.1f} | {memory:.0f}"
        return "\n".join([row, *(f"    {status}: {reason}" for status, reason in self.reasons.items())])


def processes(title: str) -> list[psutil.Process]:
    """Return the service's processes of a title."""
    children = psutil.Process().children(recursive=True)
    return [each for each in children if each.is_running() and title in each.name() + " ".join(each.cmdline())]


def killing(title: str, *, every_s: float, share: float = 0.0) -> _Fault:
    """Kill a process of a title, or a share of them at once, again and again."""

    async def fault(_: Host, until: float) -> None:
        draws = np.random.default_rng(0)
        while time.perf_counter() + every_s < until:
            await asyncio.sleep(every_s)
            found = processes(title)
            for place in draws.permutation(len(found))[: max(1, round(share * len(found)))]:
                found[place].kill()

    return fault


def serving(*offers: Offer) -> _Fault:
    """Serve one offer after another, some seconds each."""

    async def fault(host: Host, _: float) -> None:
        for offer in offers:
            await asyncio.to_thread(host.replace, offer)
            await asyncio.sleep(5)

    return fault


async def nothing(_: Host, __: float) -> None:
    """Leave the service alone."""


def spoiled(offer: Offer, *, is_late: bool) -> Offer:
    """Return an offer of which one worker that is sent queries themselves answers wrongly."""
    worker = next(at for at, task in enumerate(offer.scheme.tasks) if task.bears is not None)
    networks = list(offer.networks)
    networks[worker] = Wrong(networks[worker], is_late=is_late).eval()
    return replace(offer, networks=tuple(networks))


async def soak(host: Host, make_load: Callable[[], Load], rate: float, unit: float, offers: tuple[Offer, ...]) -> None:
    """Run all phases; a phase is prepared by what it serves, and then takes some units of time."""
    first, plain, confirmed = offers
    late, apart = spoiled(first, is_late=True), spoiled(confirmed, is_late=True)
    phases: list[tuple[str, float, Offer | None, _Fault, int]] = [
        ("calm", 1, None, nothing, 1),
        ("the front killed", 1, None, killing(_FRONT, every_s=0.4 * unit), 1),
        ("calm", 1, None, nothing, 1),
        ("a worker killed every 5 s", 2, None, killing(_WORKER, every_s=5), 1),
        ("a third of the workers killed", 1, None, killing(_WORKER, every_s=0.6 * unit, share=1 / 3), 1),
        ("another code, and back", 0.5, None, serving(plain, first), 1),
        ("10 times the rate", 0.5, None, nothing, 10),
        ("a worker answers NaN", 0.5, spoiled(first, is_late=False), nothing, 1),
        ("a worker answers another query", 0.5, late, nothing, 1),
        ("the same, --confirm", 0.5, apart, nothing, 1),
        ("all sound, --confirm", 0.5, confirmed, nothing, 1),
        ("calm", 1, first, nothing, 1),
    ]
    for name, units, offer, fault, times in phases:
        if offer is not None:
            await asyncio.to_thread(host.replace, offer)
        load = make_load()
        before, until = await load.replies(), time.perf_counter() + units * unit
        happening = asyncio.create_task(fault(host, until))
        await load.run(rate * times, until, happening)
        await happening
        is_one = name not in ("the front killed", "another code, and back")
        print(load.row(name, await load.replies() - before - len(load.seconds) if is_one else None), flush=True)


def told_apart(model: nn.Module, queries: Tensor, kind: Any) -> tuple[list[bytes], Tensor]:
    """Return queries as `.npy` bytes, of which no two have nearly the same probabilities, and the model's own ones."""
    with torch.inference_mode():
        truth = torch.cat([to_probabilities(model(query[None]), kind) for query in queries])
    bodies, kept = [], list[int]()
    for at, query in enumerate(queries):
        if bool(((truth[kept] - truth[at]).abs().amax(1) > _APART).all()):
            kept.append(at)
            np.save(file := io.BytesIO(), query.numpy(), allow_pickle=False)
            bodies.append(file.getvalue())
    return bodies, truth[kept]


def main(
    table: Path,
    *,
    minutes: float = 10.0,
    rate: float = 30.0,
    data_dir: Annotated[Path | None, typer.Option("--data-dir")] = None,
    home: Path = Path("nercc-home"),
    port: int = 8000,
) -> None:
    """Serve, ask, hurt, and print."""
    torch.set_num_threads(1)
    found = TableSource(path=table).read()
    settings = settings_of_table(found.served.table, model=None, checkpoint=None)
    coded = choose_scheme("coded", max_wait_s=0.05)
    offering = Offering.load(settings, coded, home=Home(home, data_dir))
    schemes = (coded, choose_scheme("equal-resources"), replace(coded, confirm=True))
    offers = tuple(Offering(workload=offering.workload, settings=scheme).offer(found) for scheme in schemes)
    queries, _ = offering.workload.data.load(range(len(offering.workload.data)))
    bodies, truth = told_apart(offering.workload.model, queries, found.served.table.workload.output_kind)
    where = choose_settings(
        offers[0].scheme, ResourceSettings(), device="cpu", slowness=None, address="local", port=port, limit=200
    )
    with hosting(offers[0], where) as host:
        print(f"{len(bodies)} queries, {rate:g} a second; {offers[0].about['rule']}\n{_COLUMNS}", flush=True)
        make_load = partial(Load, port=port, bodies=bodies, truth=truth)
        asyncio.run(soak(host, make_load, rate, minutes * 60 / _UNITS, offers))


if __name__ == "__main__":
    typer.run(main)

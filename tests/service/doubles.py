"""Workers that die, lie and dawdle, and codes that are exact, so that an answer to another query would be seen."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nercc_tune.coding import GroupCode, LagrangeCode, Placement, TrainedCode
from nercc_tune.errors import WorkerLostError
from nercc_tune.service.answered import Answered
from nercc_tune.service.code_codec import CodeCodec, CodedGroup, bears_of
from nercc_tune.service.codec import Codec, Estimates
from nercc_tune.service.engine import Engine
from nercc_tune.service.plain_codec import PlainCodec
from nercc_tune.service.rules import Answers, Rule
from nercc_tune.service.scheme import Scheme
from nercc_tune.service.schemes import coded, hedged, plain, replicated, with_parities

__all__ = [
    "Altered",
    "FlakyWorkers",
    "SilentWorkers",
    "ask_all",
    "distinct",
    "exact",
    "is_answer",
    "is_empty",
    "parity",
    "same",
    "schemes",
]

QUERIES, WORKERS, OUTPUTS = 3, 7, 5


def same(queries: Tensor) -> Tensor:
    """Answer with the queries themselves."""
    return queries


def distinct(count: int, *, seed: int = 0) -> list[Tensor]:
    """Return queries [c] that are probabilities, all apart, so that each answer tells its query."""
    generator = torch.Generator().manual_seed(seed)
    return list(torch.rand(count, OUTPUTS, dtype=torch.float64, generator=generator).softmax(-1))


def exact(*, rule: Rule | None = None, gives_own: bool = True, max_wait_s: float = 0.002) -> tuple[Scheme, Codec]:
    """Return a code of 3 queries on 7 workers, some with copies, exact for linear models from 3 answers."""
    placement = Placement(nodes="systematic", ordering="nearest-neighbour")
    code = GroupCode(lambda nodes: LagrangeCode(nodes, degree=1), queries=3, workers=WORKERS, placement=placement)
    bears = bears_of(code.on(torch.linspace(0, 1, 3)[:, None]))
    scheme = coded(3, bears, rule=rule or Answers(count=4), max_wait_s=max_wait_s, gives_own=gives_own)
    return scheme, CodeCodec(code=code, decode_space="probabilities", output_kind="probabilities")


class _Sum(torch.nn.Module):
    def forward(self, queries: Tensor) -> Tensor:
        return queries.sum(1, keepdim=True)


def parity() -> tuple[Scheme, Codec]:
    """Return parity models of 3 queries, each shared by two workers."""
    code = TrainedCode(queries=3, workers=4, mixer=_Sum(), parity_networks=(torch.nn.Identity(),))
    scheme = with_parities(3, ["parity-1"], workers=5, parity_workers=2, max_wait_s=0.002)
    return scheme, CodeCodec(code=code, decode_space="logits")


def schemes() -> dict[str, tuple[Scheme, Codec, Callable[[Tensor], Tensor]]]:
    """Return schemes with their codecs, and what each should answer to a query."""
    own = PlainCodec(output_kind="probabilities")
    two = PlainCodec(tasks=2, output_kind="probabilities")
    return {
        "plain": (plain(4), own, same),
        "replication": (replicated(4), two, same),
        "hedging": (hedged(4), two, same),
        "parity": (*parity(), lambda query: query.softmax(-1)),
        "coded": (*exact(), same),
        "confirmed": (*exact(gives_own=False), same),
    }


async def ask_all(engine: Engine, queries: Sequence[Tensor]) -> list[Answered | BaseException]:
    return await asyncio.gather(*(engine.ask(query) for query in queries), return_exceptions=True)


def is_answer(answered: Answered | BaseException, wanted: Tensor) -> bool:
    return isinstance(answered, Answered) and torch.allclose(answered.probabilities, wanted, atol=1e-9)


def is_empty(engine: Engine) -> bool:
    return not engine._asked and not engine._groups


class Altered:
    """A codec of which something fails for groups that hold a query, or that counts what is read."""

    def __init__(self, codec: Codec, *, fails: str = "", at: float = 2.0) -> None:
        self.reads = 0
        self._codec = codec
        self._fails = fails
        self._at = at

    def on(self, queries: Tensor) -> AlteredGroup:
        is_concerned = bool((queries == self._at).any())
        if is_concerned and self._fails == "on":
            raise RuntimeError("no code")
        group = self._codec.on(queries)
        assert isinstance(group, CodedGroup)
        return AlteredGroup(group, self, self._fails if is_concerned else "")


class AlteredGroup:
    def __init__(self, group: CodedGroup, codec: Altered, fails: str) -> None:
        self.bears = () if fails == "bears" else group.bears
        self._group = group
        self._codec = codec
        self._fails = fails

    def coded(self, task: int) -> Tensor:
        if self._fails == "coded":
            raise RuntimeError("no code")
        return self._group.coded(task)

    def own(self, answer: Tensor) -> Tensor:
        if self._fails == "own":
            raise RuntimeError("no code")
        return self._group.own(answer)

    def read(self, answers: Tensor, tasks: Sequence[int]) -> Estimates:
        self._codec.reads += 1
        if self._fails == "read":
            raise RuntimeError("no code")
        estimates = self._group.read(answers, tasks)
        if self._fails == "size":
            return Estimates(probabilities=estimates.probabilities[:-1])
        return Estimates(probabilities=estimates.probabilities, suspects=(99,)) if self._fails == "who" else estimates


class FlakyWorkers:
    """Workers that answer with what they are sent, late, and now and then die, or answer NaN."""

    def __init__(self, *, seed: int, dies: float = 0.1, lies: float = 0.1, slowest_s: float = 0.003) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - faults
        self._dies = dies
        self._lies = lies
        self._slowest_s = slowest_s
        self.running: set[int] = set()
        self.lost = 0
        self.is_closed = False

    async def run(self, worker: int, coded: Tensor) -> Tensor:
        assert worker not in self.running
        self.running.add(worker)
        try:
            await asyncio.sleep(self._chance.random() * self._slowest_s)
        finally:
            self.running.discard(worker)
        if self._chance.random() < self._dies:
            self.lost += 1
            raise WorkerLostError("the worker died.")
        return coded * math.nan if self._chance.random() < self._lies else coded

    async def is_back(self, worker: int) -> None:  # noqa: ARG002 - as the protocol says
        await asyncio.sleep(self._chance.random() * self._slowest_s)

    async def close(self) -> None:
        self.is_closed = True


class SilentWorkers(FlakyWorkers):
    """Workers that answer what they are sent, save for some that never do, and some that died and do not come back."""

    def __init__(self, *, silent: Sequence[int] = (), dead: Sequence[int] = ()) -> None:
        super().__init__(seed=0, dies=0, lies=0, slowest_s=0)
        self._silent = set(silent)
        self._dead = set(dead)

    async def run(self, worker: int, coded: Tensor) -> Tensor:
        if worker in self._silent:
            await asyncio.Event().wait()
        if worker in self._dead:
            raise WorkerLostError("the worker died.")
        return await super().run(worker, coded)

    async def is_back(self, worker: int) -> None:  # noqa: ARG002 - as the protocol says
        await asyncio.Event().wait()

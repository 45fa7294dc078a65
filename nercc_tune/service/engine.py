"""Runs a front: it holds the tensors, the clock and the workers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.errors import NoAnswerError, OverloadError, ServiceError, WorkerLostError
from nercc_tune.service.answered import Answered
from nercc_tune.service.codec import Codec
from nercc_tune.service.commands import Forget, Refuse, Reply, Run, Source
from nercc_tune.service.front import Front
from nercc_tune.service.kept_group import KeptGroup
from nercc_tune.service.recent_answers import RecentAnswers
from nercc_tune.service.scheme import Scheme
from nercc_tune.service.status import ServiceStatus, TallyStatus
from nercc_tune.service.worker_statistics import WorkerStatistics
from nercc_tune.service.workers import Workers
from nercc_tune.text.one_line import one_line

__all__ = ["Engine"]

_RETRY_S = 1.0  # before a worker is waited for again that could not be
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Asked:
    query: Tensor
    answer: asyncio.Future[Answered]
    since: float
    group: int | None = None


class Engine:
    """Answers queries by a scheme, a codec and workers, on one event loop.

    What a worker answers counts only where it is one axis of finite numbers; otherwise another worker is asked. What a
    codec raises is told those whose queries are concerned, as a `NoAnswerError`, and nobody else.

    Args:
        scheme: How the workers are used.
        codec: What they are sent, and how their answers are read.
        workers: Who run the tasks; the engine closes them.
        timeout_s: How long a query may take.
        limit: How many queries may be without an answer.
        query_shape: Of every query; None for any, where those of a group that differ go without an answer together.

    Raises:
        ValueError: If `limit` is less than a group, or `timeout_s` is not positive.
    """

    def __init__(
        self,
        scheme: Scheme,
        codec: Codec,
        workers: Workers,
        *,
        timeout_s: float = math.inf,
        limit: int = 1000,
        query_shape: tuple[int, ...] | None = None,
    ) -> None:
        if not limit >= scheme.queries:
            raise ValueError(f"`limit` must be at least a group of {scheme.queries} queries, but got {limit}.")
        self.scheme = scheme
        self._codec = codec
        self._workers = workers
        self._limit = limit
        self._query_shape = query_shape
        self._front = Front(scheme, arrange=self._arrange, timeout_s=timeout_s)
        self._statistics = WorkerStatistics(scheme.workers)
        self._asked: dict[int, _Asked] = {}
        self._groups: dict[int, KeptGroup] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._recent = RecentAnswers()
        self._count = self._overloads = self._unread = 0
        self._timer: asyncio.Handle | None = None
        self._timer_at = math.inf  # kept here: a handle of uvloop that is due at once does not say when
        self._drained: asyncio.Event | None = None
        self._is_closed = False

    async def ask(self, query: Tensor) -> Answered:
        """Return the answer to a query […].

        Raises:
            ValueError: If the query is of another shape, or not finite, which would spoil those that it is mixed with.
            OverloadError: At once, if too many queries wait.
            NoAnswerError: If too few workers gave an answer, or not in time, or none that can be read.
            ServiceError: If the engine is closing.
        """
        if self._drained is not None:
            raise ServiceError("the service is stopping and takes no more queries; ask another one.")
        if self._front.waiting >= self._limit:
            self._overloads += 1
            raise OverloadError(f"{self._front.waiting} queries wait, which is the limit; ask again later.")
        if self._query_shape is not None and tuple(query.shape) != self._query_shape:
            raise ValueError(f"`query` must be of shape {self._query_shape}, but got {tuple(query.shape)}.")
        if not bool(query.isfinite().all()):
            raise ValueError("`query` must be finite, but got a NaN or an infinity.")
        self._count += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answered] = loop.create_future()
        now = loop.time()
        self._asked[self._count] = _Asked(query, answer, now)
        self._front.submit(self._count, now)
        self._obey(loop)
        return await answer

    async def close(self, drain_s: float = 10.0) -> None:
        """Take no more queries, answer those that wait, and end the workers.

        Args:
            drain_s: How long to wait for answers; who has none then, gets a `NoAnswerError`.
        """
        if self._drained is None:
            self._drained = asyncio.Event()
        if self._asked:
            try:
                await asyncio.wait_for(self._drained.wait(), drain_s)
            except TimeoutError:
                for query in list(self._asked):
                    self._fail(query, NoAnswerError("the service stopped before there was an answer; ask again."))
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._groups.clear()
        await self._workers.close()

    @property
    def status(self) -> ServiceStatus:
        """How the service stands."""
        return ServiceStatus(
            scheme=self.scheme.name,
            queries=self.scheme.queries,
            waiting=self._front.waiting,
            overloads=self._overloads,
            unread=self._unread,
            is_closing=self._drained is not None,
            tally=TallyStatus.of(self._front.tally),
            workers=self._statistics.records,
            recent=self._recent.records,
        )

    def _arrange(self, group: int, queries: tuple[int, ...]) -> Sequence[int | None] | None:
        try:
            code = self._codec.on(torch.stack([self._asked[query].query for query in queries]))
            kept = KeptGroup(code, queries, tasks=len(self.scheme.tasks))
        except Exception as error:  # noqa: BLE001 - whatever a code does must not end the service
            _LOG.warning("a group could not be encoded", exc_info=error)
            for query in set(queries):
                self._fail(query, NoAnswerError(f"the queries of a group cannot be encoded: {one_line(error)}"))
            return None
        self._groups[group] = kept
        for query in queries:
            self._asked[query].group = group
        return kept.bears

    def _obey(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_closed:
            return
        for command in self._front.commands():
            match command:
                case Run():
                    self._run(command, loop)
                case Reply():
                    self._reply(command, loop.time())
                case Refuse(query, reason):
                    self._fail(query, NoAnswerError(f"there is no answer: {reason}; ask again."))
                case Forget(group):
                    self._groups.pop(group, None)
        if not self._asked and self._drained is not None:
            self._drained.set()
        due = self._front.next_timer
        if self._timer is not None and self._timer_at <= due:
            return  # it looks again when it is there
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None if due == math.inf else loop.call_at(due, self._tick, loop), due

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._front.tick(loop.time())
        self._obey(loop)

    def _run(self, run: Run, loop: asyncio.AbstractEventLoop) -> None:
        group = self._groups[run.group]
        group.asked.add(run.worker)
        self._statistics.begin(run.worker, loop.time())
        try:
            coded = group.coded(run.task)
        except Exception as error:  # noqa: BLE001 - the same
            _LOG.warning("a task could not be encoded", exc_info=error)
            loop.call_soon(self._end, run, None)
        else:
            self._start(self._work(run, coded))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, run: Run, coded: Tensor) -> None:
        try:
            answer = await self._workers.run(run.worker, coded)
        except WorkerLostError:
            await self._lose(run)
        except Exception as error:  # noqa: BLE001 - nor must what a network does
            _LOG.warning("worker %d failed", run.worker, exc_info=error)
            self._end(run, None)
        else:
            self._end(run, answer)

    def _end(self, run: Run, answer: Tensor | None) -> None:
        loop = asyncio.get_running_loop()
        is_sound = isinstance(answer, Tensor) and answer.ndim == 1 and bool(answer.isfinite().all())
        group = self._groups.get(run.group)
        self._statistics.end(run.worker, loop.time(), is_sound=is_sound, is_late=group is None)
        if is_sound and answer is not None and group is not None:
            group.take(run.task, answer, worker=run.worker)
        self._front.finish(run.worker, loop.time(), is_sound=is_sound)
        self._obey(loop)

    async def _lose(self, run: Run) -> None:
        loop = asyncio.get_running_loop()
        self._statistics.end(run.worker, loop.time(), is_sound=False)
        self._statistics.leave(run.worker)
        self._front.leave(run.worker, loop.time())
        self._obey(loop)
        while True:
            try:
                await self._workers.is_back(run.worker)
                break
            except Exception as error:  # noqa: BLE001 - nor whoever starts workers
                _LOG.warning("worker %d is not back", run.worker, exc_info=error)
                await asyncio.sleep(_RETRY_S)
        self._statistics.come_back(run.worker)
        self._front.come_back(run.worker, loop.time())
        self._obey(loop)

    def _reply(self, reply: Reply, now: float) -> None:
        seconds = now - self._asked[reply.query].since
        try:
            answered = self._answered(reply, self._groups[reply.group], seconds)
        except NoAnswerError as error:
            self._unread += 1
            _LOG.warning("%s", error)
            self._fail(reply.query, error)
            return
        asked = self._part_with(reply.query)
        self._recent.add(answered)
        if not asked.answer.done():  # else who asked is gone
            asked.answer.set_result(answered)

    def _answered(self, reply: Reply, group: KeptGroup, seconds: float) -> Answered:
        suspects: tuple[int, ...] = ()
        expected: float | None = 0.0
        if reply.source is Source.DECODED:
            is_new = not group.has_read(reply.tasks)
            estimates = group.estimates(reply.tasks)
            probabilities, suspects = estimates.probabilities[reply.place].clone(), estimates.suspects
            expected = None if estimates.expected_errors is None else estimates.expected_errors[reply.place]
            self._statistics.suspect(suspects if is_new else ())
        else:
            probabilities = group.own(reply.tasks[0])
        return Answered(
            probabilities=probabilities,
            source=reply.source,
            waited_for=group.arrived,
            workers=len(group.asked),
            seconds=seconds,
            suspects=suspects,
            is_padded=group.is_padded,
            expected_error=expected,
        )

    def _fail(self, query: int, error: NoAnswerError) -> None:
        if query in self._asked:  # else its group could not be encoded, which was told
            asked = self._part_with(query)
            self._recent.add_refusal(asyncio.get_running_loop().time() - asked.since)
            if not asked.answer.done():
                asked.answer.set_exception(error)

    def _part_with(self, query: int) -> _Asked:
        """Forget a query, and the tensors of its group with the last one."""
        asked = self._asked.pop(query)
        group = None if asked.group is None else self._groups.get(asked.group)
        if asked.group is not None and group is not None:
            group.unanswered.discard(query)
            if not group.unanswered:
                del self._groups[asked.group]
        return asked

"""The ways of using workers that a service can choose from, and that are compared."""

from __future__ import annotations

from collections.abc import Sequence

from nercc_tune.service.rules import Answers, Rule
from nercc_tune.service.scheme import Hedge, Pool, Scheme, Task


def plain(workers: int, *, name: str = "plain") -> Scheme:
    """Send each query to whoever is free first: no redundancy, or with more workers "equal resources".

    Reference:
        Kosaian, Rashmi and Venkataraman 2019, Parity Models, SOSP, section 5.1, for the name.
    """
    return Scheme(name=name, queries=1, pools=(Pool(workers=tuple(range(workers))),), tasks=(Task(pool=0, bears=0),))


def replicated(workers: int, *, copies: int = 2) -> Scheme:
    """Send each query to several workers, and take the first answer.

    Raises:
        ValueError: If not 2 ≤ copies ≤ workers.
    """
    if not 2 <= copies <= workers:
        raise ValueError(f"`2 <= copies <= workers` must hold, but got {copies} and {workers}.")
    pools = (Pool(workers=tuple(range(workers))),)
    return Scheme(name="replication", queries=1, pools=pools, tasks=(Task(pool=0, bears=0),) * copies)


def hedged(workers: int, *, hedge: Hedge | None = None) -> Scheme:
    """Send each query to one worker, and once more if it is late; the first answer wins."""
    tasks = (Task(pool=0, bears=0), Task(pool=0, bears=0, is_hedge=True))
    pools = (Pool(workers=tuple(range(workers))),)
    return Scheme(name="hedging", queries=1, pools=pools, tasks=tasks, hedge=hedge or Hedge())


def with_parities(
    queries: int,
    networks: Sequence[str],
    *,
    workers: int,
    parity_workers: int,
    max_wait_s: float = 0.01,
    sends_at_once: bool = False,
) -> Scheme:
    """Send each query to a worker, and mixes of K of them to parity workers; K of the K + R answers give all outputs.

    Args:
        queries: K.
        networks: Of the R parity tasks.
        workers: How many run the served model.
        parity_workers: How many run each parity network.
        max_wait_s: As of `Scheme`.
        sends_at_once: As of `Scheme`; ParM's own system does so.

    Reference:
        Kosaian, Rashmi and Venkataraman 2019, Parity Models, SOSP, section 3.
    """
    firsts = [workers + number * parity_workers for number in range(len(networks))]
    parities = [
        Pool(workers=tuple(range(first, first + parity_workers)), network=network)
        for first, network in zip(firsts, networks, strict=True)
    ]
    return Scheme(
        name="parity models",
        queries=queries,
        pools=(Pool(workers=tuple(range(workers))), *parities),
        tasks=(
            *(Task(pool=0, bears=query) for query in range(queries)),
            *(Task(pool=number) for number in range(1, len(networks) + 1)),
        ),
        rule=Answers(count=queries),
        max_wait_s=max_wait_s,
        sends_at_once=sends_at_once,
    )


def coded(  # noqa: PLR0913 - all but two are named, and have a default
    queries: int,
    bears: Sequence[int | None],
    *,
    rule: Rule,
    each: int = 1,
    name: str = "coded",
    max_wait_s: float = 0.01,
    gives_own: bool = True,
    sends_at_once: bool = False,
) -> Scheme:
    """Send each of N workers its coded query; which one a worker gets is always the same.

    Args:
        queries: K.
        bears: Of each of the N coded queries, the query that it is a copy of; None where it is a mix.
        rule: As of `Scheme`.
        each: How many workers share the work of each of the N.
        name: As of `Scheme`.
        max_wait_s: As of `Scheme`.
        gives_own: As of `Scheme`.
        sends_at_once: As of `Scheme`.
    """
    return Scheme(
        name=name,
        queries=queries,
        pools=tuple(Pool(workers=tuple(range(at * each, (at + 1) * each))) for at in range(len(bears))),
        tasks=tuple(Task(pool=at, bears=query) for at, query in enumerate(bears)),
        rule=rule,
        max_wait_s=max_wait_s,
        gives_own=gives_own,
        sends_at_once=sends_at_once,
    )

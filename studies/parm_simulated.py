"""ParM's experiment on tail latency in the simulator: 12 instances, 12/k more, 270 queries a second, four pairs.

`uv run python studies/parm_simulated.py` prints two tables, and writes them with `--output`: the rivals for k = 2, 3
and 4, and how ParM's gain at k = 2 hangs on what the papers do not say.

What the papers and the public code give (Kosaian et al., SOSP 2019 and JSAIT 2020): the instances, the rate, Poisson
arrivals, 100,000 queries, one queue for the base models and one for the parity models, queries that are sent when they
come, and four pairs that send each other 128 to 256 MB there and back, one after the other.

What they do not give: how long a task takes (22 ms, and 3 ms of front and transport, so that 12 instances are busy 56 %
of the time and the median is 25 ms), how fast the network is (1 Gbit/s), and how much a disturbed task is delayed. The
last is set on the rival alone: p99.9 falls by 48 % and comes 3.5 times closer to an equal median m, so that from
E − m = 3.5 (0.52 E − m) equal resources have E = 3.05 m. The factor is the one at which they have that; what ParM then
makes of it is the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import typer
from scipy import optimize

from nercc_tune.service.disturbance import Disturbance, DisturbedPairs
from nercc_tune.service.load import poisson
from nercc_tune.service.machines import ConstantService, Machines
from nercc_tune.service.measured import Measured
from nercc_tune.service.rules import Answers
from nercc_tune.service.scheme import Pool, Scheme, Task
from nercc_tune.service.schemes import hedged, plain, replicated, with_parities
from nercc_tune.service.simulator import simulate
from nercc_tune.service.summary import TailSummary, summarise

INSTANCES = 12
RATE = 270.0
KS = (2, 3, 4)
GROUPS = {2: 8, 3: 9, 4: 8}  # K of NeRCC: with K / k mixes it costs what ParM does
TAIL_TO_MEDIAN = 3.05  # of equal resources at k = 2, from what ParM gains on them
FACTORS = (1.0, 30.0)  # between which the disturbance is looked for
EQUAL, PARM = "equal resources", "ParM"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the experiment is taken to be.

    Attributes:
        disturbance: Who is disturbed for how long and how much.
        service_s: How long a task takes.
        overhead_s: How long front and transport take for each.
        queries: How many are sent.
    """

    disturbance: Disturbance = field(default_factory=lambda: Disturbance(pairs=4, factor=1.0))
    service_s: float = 0.022
    overhead_s: float = 0.003
    queries: int = 100_000

    def run(self, scheme: Scheme, *, seed: int) -> Measured:
        """Simulate a scheme; with one seed all schemes see the same arrivals."""
        machines = Machines(
            service=ConstantService(each_s=self.service_s),
            slowness=DisturbedPairs(self.disturbance, workers=scheme.workers, seed=seed),
            overhead_s=self.overhead_s,
        )
        return simulate(scheme, poisson(RATE, self.queries, seed=seed), machines=machines)

    def set_on_rival(self) -> Setting:
        """Return the setting in which equal resources at k = 2 have the tail that they had."""
        equal = plain(_workers(2))

        def excess(factor: float) -> float:
            measured = self.disturbed(factor).run(equal, seed=0)
            return measured.percentile_s(99.9) / measured.percentile_s(50) - TAIL_TO_MEDIAN

        return self.disturbed(float(optimize.brentq(excess, *FACTORS, xtol=0.005)))

    def disturbed(self, factor: float) -> Setting:
        """Return the setting with another factor."""
        return replace(self, disturbance=replace(self.disturbance, factor=factor))


def _workers(k: int) -> int:
    return INSTANCES + INSTANCES // k


def parm(k: int, *, at_once: bool = True) -> Scheme:
    """Return ParM with its 12 + 12/k instances; or as a front runs it that sends whole groups."""
    scheme = with_parities(
        k, ["parity-1"], workers=INSTANCES, parity_workers=INSTANCES // k, max_wait_s=1.0, sends_at_once=at_once
    )
    return replace(scheme, name=PARM if at_once else f"{PARM}, whole groups")


def nercc(k: int) -> Scheme:
    """Return NeRCC with one copy of each query and K / k mixes, which any worker can run; K answers are decoded."""
    queries = GROUPS[k]
    tasks = [Task(pool=0, bears=query) for query in range(queries)] + [Task(pool=0)] * (queries // k)
    return Scheme(
        name=f"NeRCC, K = {queries}",
        queries=queries,
        pools=(Pool(workers=tuple(range(_workers(k)))),),
        tasks=tuple(tasks),
        rule=Answers(count=queries),
        max_wait_s=1.0,
        sends_at_once=True,
    )


def rivals(k: int) -> Iterator[Scheme]:
    """Go through what is compared on 12 + 12/k instances, and no redundancy on 12."""
    yield plain(INSTANCES, name="no redundancy")
    yield plain(_workers(k), name=EQUAL)
    yield hedged(_workers(k))
    yield replicated(_workers(k))
    yield parm(k)
    yield parm(k, at_once=False)
    yield nercc(k)


def repeat(setting: Setting, scheme: Scheme, *, repeats: int) -> TailSummary:
    """Return what several seeds say of a scheme; none is the one that the disturbance was set on."""
    return summarise([setting.run(scheme, seed=seed) for seed in range(1, repeats + 1)])


def gain(summaries: Sequence[TailSummary], of: str = PARM) -> float:
    """Return by which share p99.9 is below that of equal resources."""
    named = {summary.scheme: summary for summary in summaries}
    return 1 - _mean(named[of], "p999_s") / _mean(named[EQUAL], "p999_s")


def closer(summaries: Sequence[TailSummary], of: str = PARM) -> float:
    """Return how many times closer p99.9 comes to the median than that of equal resources."""
    named = {summary.scheme: summary for summary in summaries}
    gaps = [_mean(named[name], "p999_s") - _mean(named[name], "p50_s") for name in (EQUAL, of)]
    return gaps[0] / gaps[1]


def _mean(summary: TailSummary, figure: str) -> float:
    interval = getattr(summary, figure)
    return float("inf") if interval is None else float(interval.mean)


def _milliseconds(summary: TailSummary, figure: str) -> str:
    interval = getattr(summary, figure)
    if interval is None:
        return "never"
    return f"{1000 * interval.mean:.1f} ± {500 * (interval.high - interval.low):.1f}"


def rivals_table(found: dict[int, list[TailSummary]]) -> str:
    """Return a row for each k and rival."""
    rows = [["k", "scheme", "p50 ms", "p99 ms", "p99.9 ms", "against equal", "closer to p50", "decoded", "worker-ms"]]
    rows.append(["--:", "---", *["--:"] * 7])
    for k, summaries in found.items():
        rows += [[str(k), *_row(item, summaries)] for item in summaries]
    return _markdown(rows)


def _row(item: TailSummary, summaries: Sequence[TailSummary]) -> list[str]:
    return [
        item.scheme,
        *(_milliseconds(item, figure) for figure in ("p50_s", "p99_s", "p999_s")),
        f"{-100 * gain(summaries, item.scheme):+.0f} %",
        f"{closer(summaries, item.scheme):.1f}",
        f"{100 * item.decoded.mean:.1f} %",
        f"{1000 * item.worker_s.mean:.0f}",
    ]


def variants(usual: Setting) -> dict[str, Setting]:
    """Return what else the experiment may have been, by name."""

    def disturbed(**changed: float) -> Setting:
        return replace(usual, disturbance=replace(usual.disturbance, **changed))  # type: ignore[arg-type]  # pairs: int

    return {
        "as above": usual,
        "each disturbed task is delayed alike (variation 0)": disturbed(variation=0.0),
        "variation 0.5": disturbed(variation=0.5),
        "variation 1.5": disturbed(variation=1.5),
        "variation 2": disturbed(variation=2.0),
        "only who receives is disturbed (as two pairs)": disturbed(pairs=2),
        "five pairs": disturbed(pairs=5),
        "4 Gbit/s": disturbed(shortest_s=0.5, longest_s=1.1),
        "0.25 Gbit/s": disturbed(shortest_s=8.4, longest_s=17.2),
        "tasks of 12 ms and 3 ms": replace(usual, service_s=0.012),
        "tasks of 17 ms and 8 ms": replace(usual, service_s=0.017, overhead_s=0.008),
        "tasks of 30 ms and 3 ms": replace(usual, service_s=0.030),
    }


def variants_table(usual: Setting, *, repeats: int) -> str:
    """Return a row for each variant, each set on the rival anew."""
    rows = [["variant", "factor", "p50 equal", "p50 ParM", "p99.9 equal", "p99.9 ParM", "ParM's gain", "closer"]]
    rows.append(["---", *["--:"] * 7])
    for name, variant in variants(usual).items():
        setting = variant.set_on_rival()
        both = [repeat(setting, scheme, repeats=repeats) for scheme in (plain(_workers(2), name=EQUAL), parm(2))]
        times = [f"{1000 * _mean(item, figure):.1f}" for figure in ("p50_s", "p999_s") for item in both]
        factor = f"{setting.disturbance.factor:.2f}"
        rows.append([name, factor, *times, f"{100 * gain(both):.0f} %", f"{closer(both):.1f}"])
    return _markdown(rows)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def main(
    *,
    queries: int = 100_000,
    repeats: int = 3,
    output: Annotated[Path | None, typer.Option(help="A Markdown file for the tables.")] = None,
) -> None:
    """Set the disturbance on equal resources, simulate all rivals, and print what they come to."""
    usual = Setting(queries=queries)
    setting = usual.set_on_rival()
    typer.echo(f"A disturbed task takes {setting.disturbance.factor:.2f} times as long on average.\n")
    found = {k: [repeat(setting, scheme, repeats=repeats) for scheme in rivals(k)] for k in KS}
    tables = [rivals_table(found)]
    typer.echo(tables[0])
    tables.append(variants_table(usual, repeats=repeats))
    typer.echo(tables[1])
    if output is not None:
        output.write_text("\n".join(tables), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)

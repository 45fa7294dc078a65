"""What `bench` measured, with all that made it, as a file that is read back exactly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from nercc_tune.errors import ServiceError
from nercc_tune.records import Interval, Strict, from_json, to_json
from nercc_tune.service.commands import Source, Tally
from nercc_tune.service.measured import Measured
from nercc_tune.service.summary import TailSummary, mean_interval, summarise
from nercc_tune.text.one_line import one_line

__all__ = ["SCHEMA", "BenchResults", "BenchRun", "BenchSettings", "Setting", "read_results"]

SCHEMA = 1
"""Version of the file."""

Engine = Literal["local", "ray", "simulated", "service"]
"""Where it ran: workers of this machine, Ray Serve, the simulator, or a service that was there already."""

_LETTERS = "ocdx"
"""Of `SOURCES`: own, copy, decoded, refused."""

_MICRO = 1e-6
_Shown = Interval | float | None


@dataclass(frozen=True, kw_only=True)
class BenchSettings(Strict):
    """What was asked for.

    Attributes:
        target: The study, or the service.
        model: What was served.
        data: Where the queries came from.
        codes: By name, in the order of tables and figures.
        workers: The machines that each code has.
        rates: Queries per second.
        queries: How many were sent in each measurement, warm-up included.
        warm_up: The share of these that was left out, from the first on.
        repeats: How many measurements with seeds of their own.
        seed: Of the first.
        slowness: What made workers slow, as it was given; empty for nothing.
        service_ms: The stated time that a worker waits in place of computing, as if it were a device elsewhere; None
            where it took the time that the model takes.
        max_wait_ms: How long a query waits for others to make a group.
        arrivals: `poisson`, or the name of the file whose times were stretched to each rate.
    """

    target: str
    model: str
    data: str
    engine: Engine
    codes: tuple[str, ...]
    workers: int
    rates: tuple[float, ...]
    queries: int
    warm_up: float
    repeats: int
    seed: int
    slowness: str = ""
    service_ms: float | None = None
    max_wait_ms: float | None = None
    arrivals: str = "poisson"


@dataclass(frozen=True, kw_only=True)
class BenchRun(Strict):
    """One measurement of one code at one rate; of Q queries, warm-up left out.

    Attributes:
        code: As in the settings.
        scheme: As the front names it, for example `parity models`.
        repeat: Which, from 0 on.
        seed: Of the arrivals and the slowness; the same for all codes of a repeat.
        seconds: How long was measured.
        latency_us: [Q] in microseconds.
        sources: [Q] letters: own answer, copy, decoded, x for a refusal.
        right: [Q] digits, 1 where the answer was the label; None where nothing was answered but times.
        agrees: [Q] digits, 1 where it was what the model says without coding; None likewise.
        tally: What the front did, warm-up included, by name.
        late_us: The 99th percentile of how late the generator itself was, which is part of the latencies.
        refusals: Why queries were refused.
    """

    code: str
    scheme: str
    rate: float
    repeat: int
    seed: int
    seconds: float
    latency_us: tuple[int, ...]
    sources: str
    right: str | None
    agrees: str | None
    tally: dict[str, float]
    late_us: int = 0
    refusals: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, measured: Measured, *, code: str, repeat: int, seed: int, late_s: float = 0.0, refusals: Sequence[str] = ()
    ) -> BenchRun:
        """Keep a measurement, its latencies to the microsecond."""
        replies = {source.value: count for source, count in measured.tally.replies.items()}
        counts = {name: value for name, value in asdict(measured.tally).items() if name != "replies"}
        return cls(
            code=code,
            scheme=measured.scheme,
            rate=measured.rate,
            repeat=repeat,
            seed=seed,
            seconds=measured.seconds,
            latency_us=tuple(np.rint(measured.latency_s / _MICRO).astype(np.int64).tolist()),
            sources="".join(_LETTERS[at] for at in measured.sources),
            right=_digits(measured.is_right),
            agrees=_digits(measured.agrees),
            tally=replies | counts,
            late_us=round(late_s / _MICRO),
            refusals=tuple(refusals),
        )

    @cached_property
    def measured(self) -> Measured:
        """The measurement."""
        counts = {name: value for name, value in self.tally.items() if name not in {source.value for source in Source}}
        whole = {name: value if name.endswith("_s") else int(value) for name, value in counts.items()}
        replies = {source: int(self.tally.get(source.value, 0)) for source in Source}
        return Measured(
            scheme=self.scheme,
            rate=self.rate,
            seconds=self.seconds,
            latency_s=np.array(self.latency_us, dtype=np.float64) * _MICRO,
            sources=np.array([_LETTERS.index(letter) for letter in self.sources], dtype=np.int8),
            tally=Tally(replies=replies, **whole),  # type: ignore[arg-type]  # counts by the names of its fields
            is_right=_flags(self.right),
            agrees=_flags(self.agrees),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """All repeats of all codes at one rate.

    Attributes:
        runs: By code, in order; a code without a finished run is not there.
    """

    rate: float
    runs: dict[str, tuple[BenchRun, ...]]

    def summary(self, code: str) -> TailSummary:
        """Return what the repeats of a code say; see `has_intervals`."""
        repeats = [run.measured for run in self.runs[code]]
        return summarise(repeats if len(repeats) > 1 else repeats * 2)

    def has_intervals(self, code: str) -> bool:
        """Whether there are several repeats; those of one say nothing of its luck."""
        return len(self.runs[code]) > 1

    def figure(self, code: str, name: str) -> _Shown:
        """Return a figure of `TailSummary`: with its interval, or alone where there is one repeat."""
        found: Interval | None = getattr(self.summary(code), name)
        return found if found is None or self.has_intervals(code) else found.mean

    def change(self, code: str, *, to: str, percent: float = 99.9) -> _Shown:
        """Return by how much a percentile of the latency differs from another code's, as a share of that.

        It is paired: codes have the same arrivals and the same slowness in the same repeat.
        """
        mine, others = (
            {run.repeat: run.measured.percentile_s(percent) for run in self.runs[name]} for name in (code, to)
        )
        changes = np.array([mine[repeat] / others[repeat] - 1 for repeat in mine if repeat in others])
        if not len(changes) or not np.isfinite(changes).all():
            return None
        return mean_interval(changes.tolist(), least=-1.0) if len(changes) > 1 else float(changes[0])


@dataclass(frozen=True, kw_only=True)
class BenchResults(Strict):
    """All that was measured.

    Attributes:
        machine: What it ran on, without its name.
        versions: Of nercc_tune, Python, torch …
        git_commit: Of the directory it was run in, if any.
        created: ISO 8601.
        runs: In the order they were finished.
        schema: Version of the file.
    """

    settings: BenchSettings
    machine: dict[str, str | int | float]
    versions: dict[str, str]
    git_commit: str | None
    created: str
    runs: tuple[BenchRun, ...] = field(default_factory=tuple)
    schema: int = SCHEMA

    def at_rates(self) -> tuple[Setting, ...]:
        """Return what was measured at each rate, ascending."""
        found = []
        for rate in sorted({run.rate for run in self.runs}):
            here = {code: [run for run in self.runs if (run.code, run.rate) == (code, rate)] for code in self._codes}
            runs = {code: tuple(sorted(each, key=lambda run: run.repeat)) for code, each in here.items() if each}
            found.append(Setting(rate=rate, runs=runs))
        return tuple(found)

    @property
    def _codes(self) -> list[str]:
        return list(dict.fromkeys((*self.settings.codes, *(run.code for run in self.runs))))

    def to_json(self) -> str:
        """Return the content of the file."""
        return json.dumps(to_json(self), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def read_results(path: Path) -> BenchResults:
    """Read a results file.

    Raises:
        ServiceError: If it cannot be read, or is something else.
    """
    try:
        results = from_json(BenchResults, json.loads(path.read_bytes()))
        _check_version(results.schema)
        for run in results.runs:
            _check(run)
    except (OSError, ValueError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise ServiceError(
            f"`{path}` is no results file of this version's `bench` ({one_line(what)}); give one that it wrote."
        ) from error
    return results


def _check_version(schema: int) -> None:
    if schema != SCHEMA:
        raise ValueError(f"its schema is {schema}, not {SCHEMA}")


def _check(run: BenchRun) -> None:
    lengths = {len(run.latency_us), *(len(text) for text in (run.sources, run.right, run.agrees) if text is not None)}
    if len(lengths) > 1 or not run.latency_us or set(run.sources) - set(_LETTERS):
        raise ValueError(f"the run of `{run.code}` does not say the same of as many queries")


def _digits(flags: NDArray[np.bool_] | None) -> str | None:
    return None if flags is None else "".join("01"[int(flag)] for flag in flags)


def _flags(digits: str | None) -> NDArray[np.bool_] | None:
    return None if digits is None else np.array([digit == "1" for digit in digits], dtype=np.bool_)

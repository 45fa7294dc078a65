"""Which columns of a table are a trace, by the names that people give them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nercc_tune.errors import TraceError
from nercc_tune.text.units import UNIT_NAMES

# Each begins with the name that goes before all others.
# fmt: off
_ITERATION = (
    "iteration", "iterations", "iter", "itr", "it", "step", "global_step", "round", "batch", "tick",
    "schritt", "runde", "durchlauf", "durchgang", "etape", "tour", "pas", "iteracion", "paso", "ronda",
    "iterazione",
)
_WORKER = (
    "worker", "workers", "rank", "node", "host", "hostname", "machine", "server", "instance", "executor",
    "arbeiter", "knoten", "rechner", "maschine", "travailleur", "ouvrier", "noeud", "hote", "serveur",
    "trabajador", "nodo", "maquina",
)
_LATENCY = (
    "latency", "latencies", "time", "duration", "elapsed", "elapsed_time", "runtime", "response_time",
    "latenz", "dauer", "zeit", "laufzeit", "antwortzeit", "latence", "duree", "temps", "latencia",
    "duracion", "tiempo", "latenza", "durata", "tempo",
)
_JOB = (
    "job", "run", "trial", "experiment", "session", "lauf", "auftrag",
)
# fmt: on
_ROLES = {"iteration": _ITERATION, "worker": _WORKER, "latency": _LATENCY}
# `latency_min` is the least latency rather than one in minutes.
_UNITS = "|".join(sorted((re.escape(name) for name in UNIT_NAMES if name not in ("min", "h")), key=len, reverse=True))
_WITH_UNIT = re.compile(rf"(?P<base>.+?)(?:_in)?_(?P<unit>{_UNITS})")
_NUMBERED = re.compile(r"(?P<base>.+)_(?:id|ids|no|nr|num|number|nummer|index|idx|name)")
_WIDE = re.compile(
    rf"(?:(?P<latency>{'|'.join(_LATENCY)})_(?:(?P<unit>{_UNITS})_)?)?"
    rf"(?:(?P<of>{'|'.join(_WORKER)})_?)?(?P<worker>\d{{1,9}})"
)
_LETTERS = str.maketrans({"μ": "u", "µ": "u", "œ": "oe", "æ": "ae"})
FORMS = "`iteration`, `worker` and `latency`, or `latency_worker_0`, `latency_worker_1`, …"


@dataclass(frozen=True, kw_only=True)
class TraceColumns:
    """Where a trace is in a table.

    Attributes:
        places: The index of each column that is read: of `iteration`, `worker` and `latency`, of `job 0`, `job 1`, …,
            and, where there is a column for each worker, of `0`, `1`, ….
        names: What each of them is called, as far as this module knows the name.
        unit: The unit that the header names.
    """

    places: dict[str, int]
    names: dict[str, str]
    unit: str | None

    @property
    def workers(self) -> list[int]:
        """The numbers of the workers that have a column of their own, ascending."""
        return sorted(int(key) for key in self.places if key.isdecimal())

    @property
    def jobs(self) -> list[str]:
        """The keys of the columns that tell jobs apart."""
        return [key for key in self.places if key.startswith("job ")]

    @property
    def translated(self) -> str | None:
        """Say which columns are taken for which, where their names are others."""
        pairs = [f"`{self.names[role]}` as {role}" for role in _ROLES if self.names.get(role, role) != role]
        return f"the trace's columns are read so: {', '.join(pairs)}" if pairs else None


def normalise(name: str) -> str:
    """Write a column's name in small letters without accents, with an underscore for whatever parts its words.

    >>> normalise(" Latency [µs]"), normalise("workerID"), normalise("Durée (ms)")
    ('latency_us', 'worker_id', 'duree_ms')
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip().strip("\ufeff\"'"))
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "_", plain.casefold().translate(_LETTERS)).strip("_")


def find_columns(header: Sequence[str]) -> TraceColumns:
    """Find the columns of a trace: a row for each answer, or a row for each iteration.

    Raises:
        TraceError: If there are none, or more than one that may be meant.
    """
    names = [normalise(name) for name in header]
    found = {role: _candidates(role, names) for role in _ROLES}
    jobs = [place for place, name in enumerate(names) if _bare(name) in _JOB]
    if not found["iteration"] and len(jobs) == 1 and found["worker"]:
        found["iteration"], jobs = jobs, []  # runs of one iteration each
    wide, unit, rank = _find_wide(names)
    is_tall = all(found.values())
    if (is_tall and rank in ("exact", "latency")) or not (is_tall or wide):
        told = [names[place] for places in (*found.values(), [*wide.values()]) for place in places[:1]]
        raise TraceError(
            f"the columns must be either {FORMS}, but of these there are "
            f"{', '.join(f'`{name}`' for name in told) or 'none'}; "
            f"rename them, and part them by commas, semicolons or tabs."
        )
    roles = _ROLES if is_tall else ["iteration"] if found["iteration"] else []
    places = {role: _only(role, found[role], names) for role in roles} | ({} if is_tall else wide)
    if is_tall:
        unit = _unit(names[places["latency"]])
    places |= {f"job {number}": place for number, place in enumerate(jobs)}
    return TraceColumns(places=places, names={key: names[place] for key, place in places.items()}, unit=unit)


def _candidates(role: str, names: list[str]) -> list[int]:
    """Return the columns that may have a role; only those that bear its own name, where some do."""
    read = _without_unit if role == "latency" else _bare
    found = [place for place, name in enumerate(names) if read(name) in _ROLES[role]]
    exact = [place for place in found if names[place] == role]
    return exact or [place for place in found if read(names[place]) == role] or found


def _only(role: str, places: list[int], names: list[str]) -> int:
    if len(places) > 1:
        found = dict.fromkeys(names[place] for place in places)
        if len(found) == 1:
            raise TraceError(f"the column `{names[places[0]]}` is there more than once; keep one of them.")
        told = ", ".join(f"`{name}`" for name in [*found][:4])
        raise TraceError(f"each of the columns {told} may be the {role}; name the one that is meant `{role}`.")
    return places[0]


# How surely a column is that of a worker: `latency_worker_0`, `duration_node_0` or `latency_0`, `worker_0`.
_RANKS = ("exact", "latency", "worker", "none")


def _find_wide(names: list[str]) -> tuple[dict[str, int], str | None, str]:
    """Return the columns of the workers, their unit, and how surely they are such columns."""
    found: dict[str, list[tuple[int, int, str | None]]] = {rank: [] for rank in _RANKS}
    for place, name in enumerate(names):
        parted = _WITH_UNIT.fullmatch(name)
        match = _WIDE.fullmatch(parted["base"] if parted else name)
        if match is None or not (match["latency"] or match["of"]):
            continue
        is_exact = match["latency"] == "latency" and match["of"] == "worker"
        rank = "exact" if is_exact else "latency" if match["latency"] else "worker"
        unit = match["unit"] or (parted["unit"] if parted else None)
        found[rank].append((int(match["worker"]), place, UNIT_NAMES[unit] if unit else None))
    rank = next((rank for rank in _RANKS if found[rank]), "none")
    columns = found[rank]
    if len({worker for worker, _, _ in columns}) < len(columns):
        twice = [name for _, name in sorted((worker, names[place]) for worker, place, _ in columns)]
        same = next((name for name, following in pairwise(twice) if name == following), None)
        what = (
            f"the column `{same}` is there more than once"
            if same
            else "two columns hold the latencies of the same worker"
        )
        raise TraceError(f"{what}; keep one of them.")
    units = {unit for _, _, unit in columns}
    if len(units) > 1:
        raise TraceError("the workers' columns are in different units; write all of them in one.")
    return {str(worker): place for worker, place, _ in columns}, next(iter(units), None), rank


def _bare(name: str) -> str:
    """Return the name of a column without what says that it holds numbers or names."""
    joined = {"jobid": "job", "runid": "run", "workerid": "worker", "nodeid": "node", "hostid": "host"}
    found = _NUMBERED.fullmatch(name)
    return joined.get(name, found["base"] if found else name)


def _without_unit(name: str) -> str:
    """Return the name of a column without its unit; `seconds` alone is a time."""
    found = _WITH_UNIT.fullmatch(name)
    is_unit = UNIT_NAMES.get(name) in ("ns", "us", "ms", "s") and len(name) > 1
    return found["base"] if found else "time" if is_unit else name


def _unit(name: str) -> str | None:
    found = _WITH_UNIT.fullmatch(name)
    return UNIT_NAMES.get(found["unit"] if found else name)

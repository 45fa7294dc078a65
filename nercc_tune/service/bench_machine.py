"""What a bench ran on and by, without names and places."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from nercc_tune.home.provenance import collect_provenance
from nercc_tune.service.bench_results import BenchResults, BenchSettings

__all__ = ["blank_results"]

_GIB = 2**30
_OTHERS = ("ray", "aiohttp")


def blank_results(settings: BenchSettings) -> BenchResults:
    """Return results without a run, with all else that is told of a bench."""
    provenance = collect_provenance(device="cpu", precision="fp32", seconds={})
    load = os.getloadavg()[0]
    return BenchResults(
        settings=settings,
        machine={
            "system": platform.system(),
            "architecture": platform.machine(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1),
            "load_average": round(load, 2),
        },
        versions=provenance.versions | {name: found for name in _OTHERS if (found := _version(name)) is not None},
        git_commit=provenance.git_commit,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

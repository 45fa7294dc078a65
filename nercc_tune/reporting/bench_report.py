"""A bench as files: the results, and the figures of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nercc_tune.home import write_whole
from nercc_tune.reporting.figures import FigureFormat, figure_bytes
from nercc_tune.reporting.tails import bench_figures
from nercc_tune.service.bench_results import BenchResults

__all__ = ["RESULTS", "write_bench", "write_bench_figures"]

RESULTS = "bench.json"


def write_bench(results: BenchResults, folder: Path) -> Path:
    """Write the results file, whole or not at all.

    Raises:
        HomeError: If it cannot be written.
    """
    write_whole(folder / RESULTS, results.to_json().encode())
    return folder / RESULTS


def write_bench_figures(
    results: Mapping[str, BenchResults],
    folder: Path,
    *,
    format: FigureFormat = "png",  # noqa: A002 - the option's name
) -> list[Path]:
    """Write the figures that apply into a folder, and return them; equal results give equal bytes.

    Args:
        results: By a name for readers, with at least one run.
        folder: Made where it does not exist.
        format: Of the figures.

    Raises:
        HomeError: If one cannot be written.
    """
    written = []
    for name, figure in bench_figures(results).items():
        written.append(folder / f"{name}.{format}")
        write_whole(written[-1], figure_bytes(figure, format))
    return written

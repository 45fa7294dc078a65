"""What a family found, as files: a page of Markdown, a table and a figure."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from nercc_tune.export.blocks import write_error
from nercc_tune.export.needs import Need, find_need
from nercc_tune.export.redundancy import JudgedAt, Level, Redundancy
from nercc_tune.home import write_whole
from nercc_tune.records import CODE_NAMES, Heldout
from nercc_tune.reporting.markdown import plain, table_of, verbatim
from nercc_tune.reporting.pictures.redundancy import SHOWN, SHOWN_MEASURES
from nercc_tune.reporting.redundancy import figure_redundancy

__all__ = ["redundancy_frame", "summarise_redundancy", "write_redundancy"]

_FLOORS = (0.9, 0.95, 0.99, 0.999)
_NAME = "redundancy"
_RULE = (
    "The fewest workers with which some code keeps a floor on agreement by its lower 95 % bound; *on average* where "
    "only its mean does."
)
_TITLES = {"prob_mse": "MSE in probabilities", "agreement": "Agreement"}


def write_redundancy(redundancy: Redundancy, folder: Path) -> list[Path]:
    """Write `redundancy.md`, `redundancy.csv` and `redundancy.png` into a folder, and return them.

    Raises:
        HomeError: If one cannot be written.
    """
    image = io.BytesIO()
    figure_redundancy(redundancy).savefig(image, format="png", metadata={"Software": None})
    contents = {
        "png": image.getvalue(),
        "csv": redundancy_frame(redundancy).to_csv(index=False).encode(),
        "md": summarise_redundancy(redundancy).encode(),
    }
    paths = {suffix: folder / f"{_NAME}.{suffix}" for suffix in contents}
    for suffix, path in paths.items():
        write_whole(path, contents[suffix])
    return list(paths.values())


def redundancy_frame(redundancy: Redundancy) -> pd.DataFrame:
    """Return all figures exactly, a row for each level, number of workers and code.

    A figure with an interval has three columns, for example `agreement`, `agreement_low`, `agreement_high`.
    """
    rows = [
        {
            "family": redundancy.name,
            "study": judged.study,
            "level": level.title,
            "queries": judged.queries,
            "workers": judged.workers,
            "redundancy": judged.redundancy,
            "stragglers": judged.count,
            "code": code,
            **_figures(heldout),
        }
        for level in redundancy.levels
        for judged in level.judged
        for code, heldout in judged.codes.items()
    ]
    return pd.DataFrame(rows)


def summarise_redundancy(redundancy: Redundancy) -> str:
    """Return the page in Markdown: how many workers it takes, the figure, and the tables behind it."""
    first = redundancy.tables[0]
    workload = f"{plain(first.workload.model)} on {plain(first.workload.data)}"
    sizes = f"K = {first.entries[0].queries} queries to N = {', '.join(map(str, redundancy.workers))} workers"
    parts = [
        f"# Redundancy: {verbatim(redundancy.name)}",
        f"{workload}, {sizes}, a study for each N; held out, with 95 % intervals.",
        "## How many workers it takes",
        _RULE,
        _needs(redundancy),
        "## Error and agreement against N / K",
        f"![MSE in probabilities and agreement against N / K, for every code]({_NAME}.png)",
        *(part for level in redundancy.levels for part in _tables(level)),
        f"`{_NAME}.csv` holds every figure exactly.",
    ]
    return "\n\n".join(parts) + "\n"


def _needs(redundancy: Redundancy) -> str:
    rows = [[level.title, *(_need(find_need(level, floor)) for floor in _FLOORS)] for level in redundancy.levels]
    return table_of(["stragglers", *(f"agreement ≥ {floor:g}" for floor in _FLOORS)], rows)


def _need(need: Need) -> str:
    best = need.best
    if best.verdict == "does not hold":
        return "–"
    doubt = "" if best.verdict == "holds" else ", *on average*"
    return f"{best.judged.workers}, {CODE_NAMES[best.code]}{doubt}"


def _tables(level: Level) -> list[str]:
    codes = [code for code in SHOWN if any(code in judged.codes for judged in level.judged)]
    head = ["N / K", "N", "S", *(CODE_NAMES[code] for code in codes)]
    parts = [f"### {level.title}"]
    for measure in SHOWN_MEASURES:
        rows = [
            [
                f"{judged.redundancy:.3g}",
                str(judged.workers),
                judged.count,
                *(_cell(judged, code, measure) for code in codes),
            ]
            for judged in level.judged
        ]
        parts += [f"{_TITLES[measure]}:", table_of(head, rows)]
    return parts


def _cell(judged: JudgedAt, code: str, measure: str) -> str:
    heldout = judged.codes.get(code)
    if heldout is None:
        return "–"
    if measure == "prob_mse":
        return write_error(heldout.prob_mse)
    share = heldout.agreement
    return f"{share.mean:.4f} [{share.low:.4f}, {share.high:.4f}]"


def _figures(heldout: Heldout) -> dict[str, float | None]:
    columns: dict[str, float | None] = {}
    for measure in ("mse", "prob_mse", "rel_acc", "agreement"):
        interval = getattr(heldout, measure)
        columns |= {
            measure: interval and interval.mean,
            f"{measure}_low": interval and interval.low,
            f"{measure}_high": interval and interval.high,
        }
    return columns

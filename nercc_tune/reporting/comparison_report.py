"""A comparison of studies as files: a page of Markdown, a table and figures."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from nercc_tune.export.blocks import UNDEFINED, write_error, write_share
from nercc_tune.export.comparison import COMPARED_SHARES, ComparedCode, Comparison, Setting
from nercc_tune.export.stretches import note_of_draws, sentence_of
from nercc_tune.home import write_whole
from nercc_tune.records import LATE_SHARES, Interval
from nercc_tune.reporting.comparison import compared_figures
from nercc_tune.reporting.figures import FigureFormat, figure_bytes
from nercc_tune.reporting.markdown import plain, table_of, verbatim

__all__ = ["comparison_frame", "summarise_comparison", "write_comparison"]

_NAME = "comparison"
_CAPTIONS = {
    "overall": "Overall accuracy of every code against the share of workers that are late, with 95 % intervals",
    "degraded": "Accuracy of every code on degraded queries against K, with 95 % intervals",
}
_KEY = (
    "A_a: every worker answers; A_d: of queries of which no plain copy arrived; A_o: where each worker is late with "
    "probability f. The best A_o is bold; ≈ marks an interval that overlaps with the best one's, ≥ the least that it "
    "can be where a code degrades no query."
)


def write_comparison(comparison: Comparison, folder: Path, *, format: FigureFormat = "png") -> list[Path]:  # noqa: A002 - the option's name
    """Write `comparison.md`, `comparison.csv` and the figures that apply into a folder, and return them.

    Raises:
        HomeError: If one cannot be written.
    """
    figures = compared_figures(comparison)
    contents = {f"{name}.{format}": figure_bytes(figure, format) for name, figure in figures.items()}
    contents[f"{_NAME}.csv"] = comparison_frame(comparison).to_csv(index=False).encode()
    contents[f"{_NAME}.md"] = summarise_comparison(comparison, figures=list(contents)[: len(figures)]).encode()
    for name, content in contents.items():
        write_whole(folder / name, content)
    return [folder / name for name in contents]


def comparison_frame(comparison: Comparison) -> pd.DataFrame:
    """Return all figures exactly, a row for each setting and code.

    A figure with an interval has three columns, for example `agreement`, `agreement_low`, `agreement_high`; A_o at a
    tenth of late workers is `overall_10`. What is not known is NaN, and bounds are left out.
    """
    return pd.DataFrame([_row(setting, code) for setting in comparison.settings for code in setting.codes])


def summarise_comparison(comparison: Comparison, *, figures: list[str]) -> str:
    """Return the page in Markdown: what to deploy, the figures, and the tables behind them.

    Args:
        comparison: What is shown.
        figures: File names of the figures, relative to the page.
    """
    studies = ", ".join(map(verbatim, dict.fromkeys(comparison.studies)))
    parts = [
        "# Codes side by side",
        f"{plain(comparison.workload)}; studies {studies}; held out, with 95 % intervals.",
        "## What to deploy",
        "\n".join(f"- {plain(sentence_of(setting))}" for setting in comparison.settings),
        "By the means, f being the probability that a worker is late; *ties with* where intervals overlap.",
        *(f"![{_CAPTIONS[Path(name).stem]}]({name})" for name in figures),
        "## Every code",
        _KEY,
        *(part for setting in comparison.settings for part in _section(setting)),
        f"`{_NAME}.csv` holds every figure exactly.",
    ]
    return "\n\n".join(parts) + "\n"


def _section(setting: Setting) -> list[str]:
    head = ["code", "MSE in probabilities", "agreement", "A_a", "A_d"]
    head += [f"A_o at f = {100 * late:g} %" for late in COMPARED_SHARES]
    rows = [_cells(setting, code) for code in setting.codes]
    own = [code for code in setting.codes if code.design is not None]
    parts = [f"### {setting.title}", table_of(head, rows, names=1)]
    parts += ["\n".join(f"- {plain(code.name)}: {verbatim(code.study)}, {plain(code.design)}" for code in own)]
    return [*parts, *([plain(note_of_draws(setting))] if setting.other_draws else [])]


def _cells(setting: Setting, code: ComparedCode) -> list[str]:
    availability = code.availability
    return [
        plain(code.name),
        write_error(code.heldout.prob_mse),
        write_share(code.heldout.agreement),
        _share(availability.available if availability else None),
        _share(code.degraded),
        *(_overall(setting, code, late) for late in COMPARED_SHARES),
    ]


def _overall(setting: Setting, code: ComparedCode, late: float) -> str:
    overall, standing = code.overall(late), setting.standing(code, late)
    written = UNDEFINED if overall is None else overall.text
    return {"best": f"**{written}**", "tie": f"{written} ≈"}.get(standing or "behind", written)


def _share(figure: Interval | None) -> str:
    return UNDEFINED if figure is None else write_share(figure)


def _row(setting: Setting, code: ComparedCode) -> dict[str, str | int | float | None]:
    row: dict[str, str | int | float | None] = {
        "queries": setting.queries,
        "workers": setting.workers,
        "stragglers": setting.count,
        "name": code.name,
        "code": code.code,
        "study": code.study,
        "design": code.design,
        "is_on_first_draws": code.study not in setting.other_draws,
    }
    availability = code.availability
    figures = {
        "prob_mse": code.heldout.prob_mse,
        "agreement": code.heldout.agreement,
        "available": availability.available if availability else None,
        "degraded": code.degraded,
    }
    figures |= {
        f"overall_{round(100 * late)}": availability.overall_at(late) if availability else None for late in LATE_SHARES
    }
    for name, figure in figures.items():
        mean, low, high = (figure.mean, figure.low, figure.high) if figure else (math.nan,) * 3
        row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    return row

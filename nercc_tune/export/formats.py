"""The table in other formats: JSON to serve from, CSV and Parquet to compute with, Markdown and LaTeX to read."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nercc_tune.export.table import SCHEMA, TunedTable
from nercc_tune.home import write_whole
from nercc_tune.records import BASELINES, Design, Heldout, Interval, PolicyEntry, TunedEntry

__all__ = ["TableFormat", "export_table", "table_frame", "write_table"]

TableFormat = Literal["json", "csv", "parquet", "markdown", "latex"]

_SUFFIXES: dict[str, TableFormat] = {
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".md": "markdown",
    ".tex": "latex",
}
_METRICS = ("mse", "prob_mse", "rel_acc", "agreement")
_PAIR_HEAD = ("S", "λ_enc", "λ_dec", "df_enc", "df_dec")
_UNDEFINED = "–"
_DIGITS = 3
_FIXED_FROM = 1e-3  # an MSE below it is written with a power of ten
_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_SYMBOLS = {"λ": r"\lambda", "df": r"\mathrm{df}"}
_LATEX_HEADS = {
    "S": "$S$",
    **{
        f"{symbol}_{side}": rf"${name}_\mathrm{{{side}}}$"
        for side in ("enc", "dec")
        for symbol, name in _SYMBOLS.items()
    },
}
_CAPTION = r"""held out, with 95\,\% intervals as subscripts.
Top: a pair for each number $S$ of stragglers; middle: baselines on the same draws; bottom: one encoder for all."""
_BASELINE_LABELS = {
    "bacc": "BACC",
    "nercc_ag": "(0, 0)",
    "replication": "replication",
    "uncoded": "uncoded",
    "frozen": "the frozen pair",
}
_ERRORS = {"mse": "MSE", "prob_mse": "MSE in probabilities"}


def export_table(table: TunedTable, *, format: TableFormat) -> bytes:  # noqa: A002 - pandas' and Optuna's word for it
    """Return the table in one of the formats, as the bytes of a file.

    Only `json` can be served from; `csv` and `parquet` hold every figure exactly, `markdown` and `latex` (which needs
    the package booktabs) hold three digits for a reader.

    Raises:
        ValueError: If `format` is none of them.
    """
    if format not in _WRITERS:
        known = ", ".join(get_args(TableFormat))
        raise ValueError(f"`format` must be one of {known}, but got {format!r}.")
    return _WRITERS[format](table)


def write_table(table: TunedTable, path: str | Path, *, format: TableFormat | None = None) -> None:  # noqa: A002
    """Write the table to a file, whole or not at all: a reader never sees a part of it.

    Args:
        table: What to write.
        path: Where to; missing folders are made.
        format: By default told by the suffix: .json, .csv, .parquet, .md or .tex.

    Raises:
        ValueError: If there is no `format` for the suffix, or `format` is unknown.
    """
    path = Path(path)
    if format is None and path.suffix.lower() not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise ValueError(f"`path` must end in one of {known} where no `format` is given, but got `{path.name}`.")
    write_whole(path, export_table(table, format=format or _SUFFIXES[path.suffix.lower()]))


def table_frame(table: TunedTable) -> pd.DataFrame:
    """Return the table as a data frame, one row a straggler count, ascending.

    A figure with an interval has three columns, for example `heldout_mse`, `heldout_mse_low`, `heldout_mse_high`; the
    prefixes are `heldout`, the names of `BASELINES` and `policy`; `prob_mse_minus_bacc` is the paired difference. What
    is not defined is NaN. `table_digest` tells which table a row is from.
    """
    policy = {entry.stragglers: entry for entry in table.policy.entries}
    rows = []
    for entry in table.entries:
        row: dict[str, str | int | float] = {"study": table.study, "table_digest": table.digest}
        row |= _entry_columns(entry)
        row |= {"policy_lambda_enc": table.policy.lambda_enc, "policy_df_enc": table.policy.df_enc}
        row |= _design_columns("policy_", table.policy.design)
        row |= _policy_columns(policy.get(entry.stragglers))
        rows.append(row)
    return pd.DataFrame(rows)


def _entry_columns(entry: TunedEntry) -> dict[str, str | int | float]:
    plain = ("model", "data", "queries", "workers", "stragglers", "fewest", "weight")
    row: dict[str, str | int | float] = {name: getattr(entry, name) for name in plain}
    row["waiting"] = math.nan if entry.waiting is None else entry.waiting
    row |= _design_columns("", entry.design) | {"is_feasible": entry.is_feasible}
    row |= {"domain_low": entry.domain[0], "domain_high": entry.domain[1]}
    row |= {name: getattr(entry, name) for name in ("lambda_enc", "lambda_dec", "df_enc", "df_dec")}
    row |= {f"tuning_{name}": math.nan if value is None else value for name, value in vars(entry.tuning).items()}
    row |= _heldout_columns("heldout", entry.heldout)
    for name, heldout in entry.baselines.items():
        row |= _heldout_columns(name, heldout)
    for error, differences in (("mse", entry.mse_minus), ("prob_mse", entry.prob_mse_minus)):
        for name, difference in differences.items():
            row |= _interval_columns(f"{error}_minus_{name}", difference)
    for name, gain in entry.gains.items():
        row |= _interval_columns(f"gain_over_{name}", gain)
    return row | {"trials": entry.trials, "forwards": entry.forwards}


def _design_columns(prefix: str, design: Design) -> dict[str, str | int | float]:
    names = ("ordering", "nodes", "chord_power", "assignment", "decode_space")
    columns: dict[str, str | int | float] = {f"{prefix}{name}": getattr(design, name) for name in names}
    return columns | {f"{prefix}rack": math.nan if design.rack is None else design.rack}


def _policy_columns(entry: PolicyEntry | None) -> dict[str, float]:
    pair = {
        "policy_lambda_dec": entry.lambda_dec if entry else math.nan,
        "policy_df_dec": entry.df_dec if entry else math.nan,
    }
    return pair | _heldout_columns("policy", entry.heldout if entry else None)


def _heldout_columns(prefix: str, heldout: Heldout | None) -> dict[str, float]:
    row: dict[str, float] = {}
    for metric in _METRICS:
        row |= _interval_columns(f"{prefix}_{metric}", getattr(heldout, metric) if heldout else None)
    return row


def _interval_columns(name: str, interval: Interval | None) -> dict[str, float]:
    interval = interval or Interval(mean=math.nan, low=math.nan, high=math.nan)
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _json(table: TunedTable) -> bytes:
    return table.to_json().encode()


def _csv(table: TunedTable) -> bytes:
    return table_frame(table).to_csv(index=False, lineterminator="\n").encode()


def _parquet(table: TunedTable) -> bytes:
    columns = pa.Table.from_pandas(table_frame(table), preserve_index=False)
    named = {"nercc_tune.schema": SCHEMA, "nercc_tune.digest": table.digest}
    buffer = io.BytesIO()
    pq.write_table(columns.replace_schema_metadata({**(columns.schema.metadata or {}), **named}), buffer)
    return buffer.getvalue()


def _scientific(value: float) -> str:
    return "0" if value == 0 else f"{value:.{_DIGITS - 1}e}"


def _mse(interval: Interval | None) -> str:
    """Write `0.0395 [0.0380, 0.0411]`, or `3.95 [3.80, 4.11]e-04` for a small one: three digits of the mean."""
    if interval is None:
        return _UNDEFINED
    size = interval.mean or interval.high
    power = math.floor(math.log10(size)) if size > 0 else 0
    scale, suffix = (10.0**power, f"e{power:+03d}") if 0 < size < _FIXED_FROM else (1.0, "")
    return _bracketed(interval, scale=scale, decimals=max(0, _DIGITS - 1 - (0 if suffix else power))) + suffix


def _share(interval: Interval | None) -> str:
    return _UNDEFINED if interval is None else _bracketed(interval, decimals=_DIGITS)


def _bracketed(interval: Interval, *, decimals: int, scale: float = 1.0) -> str:
    mean, low, high = (f"{value / scale:z.{decimals}f}" for value in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]"


def _gain(entry: TunedEntry, baseline: str) -> str:
    """Write how many percent of the baseline's error the code saves."""
    gain = entry.gains.get(baseline)
    if gain is None:
        return _UNDEFINED
    return _bracketed(gain, decimals=1, scale=0.01)


def _pair_block(table: TunedTable) -> list[list[str]]:
    rows = []
    has_designs = any(entry.design != table.reference for entry in table.entries)
    for entry in table.entries:
        pair = _pair(entry, lambdas=(entry.lambda_enc, entry.lambda_dec), dfs=(entry.df_enc, entry.df_dec))
        gains = [_gain(entry, baseline) for baseline in ("bacc", "nercc_ag")]
        shares = [_share(figure) for figure in (entry.heldout.rel_acc, entry.heldout.agreement)]
        waiting = [f"{entry.waiting:.3g}"] if entry.waiting is not None else []
        design = [entry.design.label] if has_designs else []
        rows.append([*pair, *waiting, *design, _mse(getattr(entry.heldout, table.goal.error)), *gains, *shares])
    waiting = ["wait"] if table.entries[0].waiting is not None else []
    design = ["code"] if has_designs else []
    head = [*_PAIR_HEAD, *waiting, *design, _ERRORS[table.goal.error]]
    return [[*head, "gain over BACC, %", "gain over (0, 0), %", "RelAcc", "agreement"], *rows]


def _baseline_block(table: TunedTable) -> list[list[str]]:
    names = [name for name in (*BASELINES, "frozen") if name in table.entries[0].baselines]
    error = table.goal.error
    head = ["S", *(f"{_ERRORS[error]} of {_BASELINE_LABELS[name]}" for name in names)]
    rows = [
        [_count(entry), *(_mse(getattr(entry.baselines[name], error)) for name in names)] for entry in table.entries
    ]
    return [head, *rows]


def _policy_block(table: TunedTable) -> list[list[str]]:
    policy, error = table.policy, table.goal.error
    rows = []
    for entry, cell in zip(policy.entries, table.entries, strict=True):
        lambdas, dfs = (policy.lambda_enc, entry.lambda_dec), (policy.df_enc, entry.df_dec)
        shares = [_share(figure) for figure in (entry.heldout.rel_acc, entry.heldout.agreement)]
        rows.append([*_pair(cell, lambdas=lambdas, dfs=dfs), _mse(getattr(entry.heldout, error)), *shares])
    for name, lambda_dec, heldout in (
        ("all", _UNDEFINED, policy.heldout),
        ("all, single pair", _scientific(policy.single.lambda_dec), policy.single.heldout),
    ):
        lambda_enc = policy.lambda_enc if heldout is policy.heldout else policy.single.lambda_enc
        shares = [_share(figure) for figure in (heldout.rel_acc, heldout.agreement)]
        pair = [name, _scientific(lambda_enc), lambda_dec, _UNDEFINED, _UNDEFINED]
        rows.append([*pair, _mse(getattr(heldout, error)), *shares])
    return [[*_PAIR_HEAD, _ERRORS[error], "RelAcc", "agreement"], *rows]


def _count(entry: TunedEntry) -> str:
    return str(entry.stragglers) if entry.fewest == entry.stragglers else f"{entry.fewest}–{entry.stragglers}"


def _pair(entry: TunedEntry, *, lambdas: tuple[float, float], dfs: tuple[float, float]) -> list[str]:
    return [_count(entry), *(_scientific(value) for value in lambdas), *(f"{value:.1f}" for value in dfs)]


def _setting(table: TunedTable) -> str:
    entry = table.entries[0]
    code = f"K = {entry.queries}, N = {entry.workers}, baselines with {table.reference.label}"
    return f"{table.workload.model} on {table.workload.data}, {code}"


def _markdown(table: TunedTable) -> bytes:
    blocks = [
        ("Tuned pairs", _pair_block(table)),
        ("Baselines on the same draws", _baseline_block(table)),
        (f"Policy: one encoder for every S ({table.policy.design.label})", _policy_block(table)),
    ]
    text = (
        f"## {_escape_markdown(table.study)}\n\n{_escape_markdown(_setting(table))}; held out, with 95 % intervals.\n"
    )
    for title, (head, *rows) in blocks:
        lines = [head, ["--:"] * len(head), *rows]
        text += f"\n**{title}**\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)
    return f"{text}\nTable digest `{table.digest}`.\n".encode()


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)


def _escape_latex(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(character, character) for character in text)


def _latex_number(text: str) -> str:
    if text == _UNDEFINED:
        return "--"
    if not re.match(r"[-\d]", text):
        return _escape_latex(text)
    text = text.replace("–", "\\text{--}")
    text = re.sub(r" \[(.*), (.*)\]", r"_{\\,[\1,\\,\2]}", text)
    return "$" + re.sub(r"e([+-]\d+)$", lambda match: rf"\times10^{{{int(match[1])}}}", text) + "$"


def _latex(table: TunedTable) -> bytes:
    label = re.sub("[^A-Za-z0-9]+", "-", table.study).strip("-")
    setting = _escape_latex(_setting(table)).replace("K =", "$K$ =").replace("N =", "$N$ =")
    lines = [
        r"\begin{table*}",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\caption{{Tuned smoothing of {setting}; {_CAPTION}}}",
        rf"\label{{tab:{label}}}",
    ]
    for head, *rows in (_pair_block(table), _baseline_block(table), _policy_block(table)):
        titles = [_LATEX_HEADS.get(title, _escape_latex(title)) for title in head]
        body = [[_latex_number(cell) for cell in row] for row in rows]
        ruled = [r"\toprule", _latex_line(titles), r"\midrule", *map(_latex_line, body), r"\bottomrule"]
        lines += ["", r"\medskip", rf"\begin{{tabular}}{{{'r' * len(head)}}}", *ruled, r"\end{tabular}"]
    return ("\n".join([*lines, r"\end{table*}"]) + "\n").encode()


def _latex_line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


_WRITERS: dict[TableFormat, Callable[[TunedTable], bytes]] = {
    "json": _json,
    "csv": _csv,
    "parquet": _parquet,
    "markdown": _markdown,
    "latex": _latex,
}

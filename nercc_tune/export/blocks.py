"""The table as a reader sees it: three blocks of text, which Markdown and LaTeX set each in its own way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from nercc_tune.export.table import TunedTable
from nercc_tune.records import (
    CODE_NAMES,
    RIVALS,
    Design,
    Distrusting,
    Heldout,
    Interval,
    Kernel,
    Parameter,
    TunedEntry,
    trusting_of,
)

__all__ = [
    "CODE",
    "KIND",
    "UNDEFINED",
    "Block",
    "make_blocks",
    "setting",
    "write_count",
    "write_error",
    "write_percent",
    "write_share",
]

CODE = "code"
"""Title of the column that names designs."""

KIND = "kind"
"""Title of the column that names kinds of wrong answers; all columns but these two hold numbers."""

UNDEFINED = "–"

_PAIR_HEAD = ("S", "λ_enc", "λ_dec", "df_enc", "df_dec")
_DIGITS = 3
_FIXED_FROM = 1e-3  # an MSE below it is written with a power of ten
_NAMES = CODE_NAMES | {"nercc_ag": "(0, 0)", "frozen": "the frozen pair"}
_ERRORS = {"mse": "MSE", "prob_mse": "MSE in probabilities"}


class Counted(Protocol):
    """What holds for a straggler count or a range of them."""

    @property
    def stragglers(self) -> int:
        """S, or the largest of a range."""

    @property
    def fewest(self) -> int:
        """The least S of a range."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of the table: its title, the titles of its columns, its rows, and a sentence below it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def make_blocks(table: TunedTable) -> tuple[Block, ...]:
    """Return the tuned pairs, the baselines and the policy."""
    return _pairs(table), _baselines(table), _policy(table)


def setting(table: TunedTable) -> str:
    """Return what was tuned on what, in a line."""
    entry = table.entries[0]
    code = f"K = {entry.queries}, N = {entry.workers}, baselines with {table.reference.label}"
    return f"{table.workload.model} on {table.workload.data}, {code}"


def write_count(cell: Counted) -> str:
    """Return a straggler count, or the range of them, for example `40` or `33–40`."""
    return str(cell.stragglers) if cell.fewest == cell.stragglers else f"{cell.fewest}–{cell.stragglers}"


def write_error(interval: Interval | None) -> str:
    """Write `0.0395 [0.0380, 0.0411]`, or `3.95 [3.80, 4.11]e-04` for a small one: three digits of the mean."""
    if interval is None:
        return UNDEFINED
    size = abs(interval.mean) or max(abs(interval.low), abs(interval.high))
    power = math.floor(math.log10(size)) if size > 0 else 0
    scale, suffix = (10.0**power, f"e{power:+03d}") if 0 < size < _FIXED_FROM else (1.0, "")
    return _bracketed(interval, scale=scale, decimals=max(0, _DIGITS - 1 - (0 if suffix else power))) + suffix


def write_share(interval: Interval) -> str:
    """Write `0.982 [0.975, 0.990]`: three decimals of a share."""
    return _bracketed(interval, decimals=_DIGITS)


def write_percent(interval: Interval | None) -> str:
    """Write `25.0 [-5.0, 30.0]`: a share in percent, with one decimal."""
    return UNDEFINED if interval is None else _bracketed(interval, decimals=1, scale=0.01)


def _pairs(table: TunedTable) -> Block:
    error = table.goal.error
    has_designs = any(entry.design != table.reference or entry.distrust is not None for entry in table.entries)
    has_waiting = any(entry.waiting is not None for entry in table.entries)
    head = [*_PAIR_HEAD, *([table.wait] if has_waiting else []), *([CODE] if has_designs else []), _ERRORS[error]]
    rows = []
    for entry in table.entries:
        pair = _pair(entry, (entry.lambda_enc, entry.parameter), dfs=(entry.df_enc, entry.df_dec))
        waiting = [UNDEFINED if entry.waiting is None else f"{entry.waiting:.3g}"] if has_waiting else []
        design = [_code(entry.design, entry.parameter)] if has_designs else []
        gains = [_gain(entry, baseline) for baseline in ("bacc", "nercc_ag")]
        judged = [write_error(getattr(entry.heldout, error)), *gains, *_shares(entry.heldout)]
        rows.append((*pair, *waiting, *design, *judged))
    head += ["gain over BACC, %", "gain over (0, 0), %", "RelAcc", "agreement"]
    return Block(title="Tuned pairs", head=tuple(head), rows=tuple(rows))


def _baselines(table: TunedTable) -> Block:
    error = table.goal.error
    names = [name for name in RIVALS if any(name in entry.baselines for entry in table.entries)]
    rows = []
    for entry in table.entries:
        judged = [entry.baselines.get(name) for name in names]
        rows.append((write_count(entry), *(write_error(getattr(item, error) if item else None) for item in judged)))
    head = ("S", *(f"{_ERRORS[error]} of {_NAMES[name]}" for name in names))
    return Block(title="Baselines on the same draws", head=head, rows=tuple(rows))


def _policy(table: TunedTable) -> Block:
    """Return a row each count, then what is expected over all of them, of the policy and of the best single pair."""
    policy, error = table.policy, table.goal.error
    decoded = (policy.single, *policy.entries)
    is_more = any(item.kernel is not None or item.distrust is not None for item in decoded)  # than a λ_dec
    has_designs = policy.single.design != policy.design or is_more
    cells = {entry.stragglers: entry for entry in table.entries}
    rows = []
    for entry in policy.entries:
        dfs = (policy.df_enc, entry.df_dec)
        pair = _pair(cells[entry.stragglers], (policy.lambda_enc, entry.parameter), dfs=dfs)
        code = [_code(policy.design, entry.parameter)] if has_designs else []
        rows.append((*pair, *code, *_judged(entry.heldout, error)))
    single = [_scientific(policy.single.lambda_enc), _smoothing(policy.single.parameter)]
    mine = [policy.design.label] if has_designs else []
    its = [_code(policy.single.design, policy.single.parameter)] if has_designs else []
    rows.append(("all", _scientific(policy.lambda_enc), *[UNDEFINED] * 3, *mine, *_judged(policy.heldout, error)))
    rows.append(("all, single pair", *single, *[UNDEFINED] * 2, *its, *_judged(policy.single.heldout, error)))
    return Block(
        title=f"Policy: one encoder for every S ({policy.design.label})",
        head=(*_PAIR_HEAD, *([CODE] if has_designs else []), _ERRORS[error], "RelAcc", "agreement"),
        rows=tuple(rows),
        note=f"Expected over S; {_ERRORS[error]} of the policy minus that of the best single pair: "
        f"{write_error(policy.minus_single)}.",
    )


def _judged(heldout: Heldout, error: str) -> list[str]:
    return [write_error(getattr(heldout, error)), *_shares(heldout)]


def _shares(heldout: Heldout) -> list[str]:
    figures = (heldout.rel_acc, heldout.agreement)
    return [UNDEFINED if figure is None else write_share(figure) for figure in figures]


def _gain(entry: TunedEntry, baseline: str) -> str:
    """Write how many percent of the baseline's error the code saves."""
    return write_percent(entry.gains.get(baseline))


def _pair(entry: TunedEntry, pair: tuple[float, Parameter], *, dfs: tuple[float, float]) -> list[str]:
    lambda_enc, parameter = pair
    written = [_scientific(lambda_enc), _smoothing(parameter)]
    return [write_count(entry), *written, *(f"{value:.1f}" for value in dfs)]


def _smoothing(parameter: Parameter) -> str:
    """Write λ_dec; a kernel stands beside the design."""
    trusting = trusting_of(parameter)
    return UNDEFINED if isinstance(trusting, Kernel) else _scientific(trusting)


def _code(design: Design, parameter: Parameter) -> str:
    trusting = trusting_of(parameter)
    label = f"{design.label} ({trusting.label})" if isinstance(trusting, Kernel) else design.label
    return f"{label}, {parameter.distrust.label}" if isinstance(parameter, Distrusting) else label


def _scientific(value: float) -> str:
    return "0" if value == 0 else f"{value:.{_DIGITS - 1}e}"


def _bracketed(interval: Interval, *, decimals: int, scale: float = 1.0) -> str:
    mean, low, high = (f"{value / scale:z.{decimals}f}" for value in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]"

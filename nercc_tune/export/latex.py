"""The table in LaTeX; it needs the package booktabs."""

from __future__ import annotations

import re

from nercc_tune.export.blocks import CODE, KIND, Block, make_blocks, setting
from nercc_tune.export.table import TunedTable
from nercc_tune.export.wrong_answers import wrong_answer_blocks

__all__ = ["to_latex"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_SYMBOLS = {"λ": r"\lambda", "df": r"\mathrm{df}"}
_HEADS = {
    "S": "$S$",
    **{
        f"{symbol}_{side}": rf"${name}_\mathrm{{{side}}}$"
        for side in ("enc", "dec")
        for symbol, name in _SYMBOLS.items()
    },
}
_CODE_WIDTH = "2.4cm"  # as much as is left of two columns of a paper
_COLUMNS = {CODE: f"p{{{_CODE_WIDTH}}}", KIND: "l"}
_NUMBER = re.compile(r"(?P<mean>-?[\d.]+)( \[(?P<low>-?[\d.]+), (?P<high>-?[\d.]+)\])?(e(?P<power>[+-]\d+))?")
_CAPTION = r"""held out, with 95\,\% intervals as subscripts.
Top: a pair for each number $S$ of stragglers; middle: baselines on the same draws; bottom: one encoder for all"""


def to_latex(table: TunedTable) -> str:
    """Return the table as a float over two columns, three digits of each figure."""
    label = re.sub("[^A-Za-z0-9]+", "-", table.study).strip("-")
    named = _escaped(setting(table)).replace("K =", "$K$ =").replace("N =", "$N$ =")
    wrong = wrong_answer_blocks(table)
    blocks = (*make_blocks(table), *wrong)
    below = f"; below: {' and '.join(block.title.lower() for block in wrong)}" if wrong else ""
    notes = "".join(f" {_sentence(block.note)}" for block in blocks if block.note)
    lines = [
        r"\begin{table*}",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\caption{{Tuned smoothing of {named}; {_CAPTION} ({_escaped(table.policy.design.label)}){below}.{notes}}}",
        rf"\label{{tab:{label}}}",
        *(line for block in blocks for line in _tabular(block)),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _tabular(block: Block) -> list[str]:
    columns = "".join(_COLUMNS.get(title, "r") for title in block.head)
    rows = [
        [_code(cell) if title == CODE else _cell(cell) for title, cell in zip(block.head, row, strict=True)]
        for row in block.rows
    ]
    titles = [_HEADS.get(title, _escaped(title)) for title in block.head]
    ruled = [r"\toprule", _line(titles), r"\midrule", *map(_line, rows), r"\bottomrule"]
    return ["", r"\medskip", rf"\begin{{tabular}}{{{columns}}}", *ruled, r"\end{tabular}"]


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _code(label: str) -> str:
    return rf"\raggedright {_escaped(label)}"


def _cell(text: str) -> str:
    """Return a number in math, and what is none (a range, a name) as text."""
    parts = _NUMBER.fullmatch(text)
    if parts is None:
        return _escaped(text)
    bounds = rf"_{{\,[{parts['low']},\,{parts['high']}]}}" if parts["low"] else ""
    power = rf"\times10^{{{int(parts['power'])}}}" if parts["power"] else ""
    return f"${parts['mean']}{bounds}{power}$"


def _sentence(text: str) -> str:
    """Return a sentence whose last word before the full stop may be a number."""
    words, colon, figure = text.removesuffix(".").rpartition(": ")
    return f"{_escaped(words)}{colon}{_cell(figure)}."


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)

"""The table in Markdown."""

from __future__ import annotations

import re

from nercc_tune.export.accuracies import accuracy_block
from nercc_tune.export.blocks import CODE, KIND, Block, make_blocks, setting
from nercc_tune.export.table import TunedTable
from nercc_tune.export.wrong_answers import wrong_answer_blocks

__all__ = ["to_markdown"]


def to_markdown(table: TunedTable) -> str:
    """Return the table for a reader, three digits of each figure, with a heading of the second level."""
    accuracies = accuracy_block(table)
    blocks = (*make_blocks(table), *([accuracies] if accuracies else []), *wrong_answer_blocks(table))
    parts = [
        f"## {_escaped(table.study)}",
        f"{_escaped(setting(table))}; held out, with 95 % intervals.",
        *map(_written, blocks),
        f"Table digest `{table.digest}`.",
    ]
    return "\n\n".join(parts) + "\n"


def _written(block: Block) -> str:
    rule = tuple(":--" if title in (CODE, KIND) else "--:" for title in block.head)
    lines = "\n".join("| " + " | ".join(line) + " |" for line in (block.head, rule, *block.rows))
    return f"**{block.title}**\n\n{lines}" + (f"\n\n{block.note}" if block.note else "")


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)

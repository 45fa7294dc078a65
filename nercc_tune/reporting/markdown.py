"""Markdown as a report needs it, with whatever a study file names taken for plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["plain", "table_of", "verbatim"]

_MEANT = re.compile(r"([\\`*_|<>\[\]&#~!])")
_TICKS = re.compile("`+")


def plain(text: object) -> str:
    r"""Return a text that Markdown shows as it is: no link, no image, no emphasis, on one line.

    >>> plain("![x](https://host/x.png)")
    '\\!\\[x\\](https://host/x.png)'
    """
    return _MEANT.sub(r"\\\1", " ".join(str(text).split()))


def verbatim(text: object) -> str:
    """Return a text as code within a line, whatever ticks it holds.

    >>> verbatim("table.json"), verbatim("odd`name")
    ('`table.json`', '`` odd`name ``')
    """
    words = " ".join(str(text).split())
    longest = max((len(ticks) for ticks in _TICKS.findall(words)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{words}{space}{fence}"


def table_of(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 0, names: int = 0) -> str:
    """Return a table whose first `names` and last `left` columns are words, and whose others are numbers."""
    rule = [":--"] * names + ["--:"] * (len(head) - names - left) + [":--"] * left
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *rows))

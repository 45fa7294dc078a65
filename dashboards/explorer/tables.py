"""Tables that scroll where a page is narrower than they are, by the keyboard too."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

_STYLE = """<style>
.wide-table { overflow-x: auto; }
.wide-table table { border-collapse: collapse; font-size: 0.9rem; }
.wide-table th, .wide-table td { border: 1px solid rgba(128, 128, 128, 0.3); padding: 0.25rem 0.6rem;
  text-align: right; }
.wide-table th:first-child { text-align: left; }
.wide-table tbody th { font-weight: 400; }
</style>"""


def show_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show a table; the first column is words, the others are numbers.

    Args:
        title: For those who do not see it.
        head: Of the columns.
        rows: Of cells, each text.
    """
    columns = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in others) + "</tr>"
        for first, *others in rows
    )
    table = f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"
    label = escape(title, quote=True)
    st.html(f'{_STYLE}<div class="wide-table" role="region" tabindex="0" aria-label="{label}">{table}</div>')

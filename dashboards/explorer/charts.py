"""Figures on a page, in ink that its ground calls for."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

_INKS = {"light": "#333333", "dark": "#dddddd"}
_GROUNDS = {"light": "#ffffff", "dark": "#171614"}  # of Streamlit's themes


def show_chart(figure: go.Figure, *, key: str) -> None:
    """Show a figure in the width of its column."""
    figure.update_layout(font={"color": _INKS[st.context.theme.type or "light"]})
    st.plotly_chart(figure, key=key, width="stretch", theme=None, config={"displaylogo": False})


def show_steady_chart(figure: go.Figure, *, key: str) -> None:
    """Show a figure that follows something, without a blank moment.

    Streamlit puts a new chart in the place of one whose data differ, and draws it while the reader sees nothing. Here
    two charts lie on each other, and the older one is seen until the newer one has been drawn over it.
    """
    figure.update_layout(paper_bgcolor=_GROUNDS[st.context.theme.type or "light"])  # it covers the older one
    turn, before = st.session_state.get(key, (0, None))
    newer = 1 - turn
    st.session_state[key] = (newer, figure)
    st.html(_STACKED.format(key=key, newer=newer, older=turn))
    with st.container(key=f"{key}-both"):
        for place in (0, 1):
            with st.container(key=f"{key}-{place}"):
                if place == newer:
                    show_chart(figure, key=f"{key}-{place}-chart")
                elif before is not None:
                    show_chart(before, key=f"{key}-{place}-chart")


def forget_chart(key: str) -> None:
    """Let the next figure have none before it."""
    st.session_state.pop(key, None)


_STACKED = """<style>
.st-key-{key}-both {{ display: grid; grid-template-columns: minmax(0, 1fr); }}
.st-key-{key}-both > * {{ grid-area: 1 / 1; min-width: 0; width: 100%; }}
.st-key-{key}-{newer} {{ position: relative; z-index: 1; }}
.st-key-{key}-{older} {{ animation: leave 0s 1s forwards; }}
@keyframes leave {{ to {{ visibility: hidden; }} }}
</style>"""
"""The older chart leaves after a second, for those who do not see that it is covered."""

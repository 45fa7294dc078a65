"""Figures on a page, in ink that its ground calls for."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

_INKS = {"light": "#333333", "dark": "#dddddd"}


def show_chart(figure: go.Figure, *, key: str) -> None:
    """Show a figure in the width of its column."""
    figure.update_layout(font={"color": _INKS[st.context.theme.type or "light"]})
    st.plotly_chart(figure, key=key, width="stretch", theme=None, config={"displaylogo": False})

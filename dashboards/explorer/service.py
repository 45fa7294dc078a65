"""A service that runs, as it answers, and what was measured of services beside each other."""

from __future__ import annotations

import streamlit as st

from nercc_tune.dashboard.running_service import DEFAULT_URL, host_of, is_loopback, read_service
from nercc_tune.errors import ServiceError
from nercc_tune.service.announcement import read_announcement

from .bench import show_bench
from .context import EXAMPLE, Context
from .standing import begin_standing, show_standing

_EVERY_S = 1.5
_ADDRESS = "service"
_LIVE = "live"
_STEADY = (
    f'<style>.st-key-{_LIVE} [data-stale="true"] {{ opacity: 1 !important; transition: none !important; }}</style>'
)
"""What is about to be replaced by what is newer does not fade, as Streamlit has it elsewhere."""


def show_service(context: Context) -> None:
    """Show the page; it needs no study."""
    st.title("Service")
    st.header("A running service", anchor=False)
    url = _ask_for_address(context)
    if url is not None:
        is_followed = st.toggle("Follow it", value=True, help="Off, it stands still, and can be zoomed into.")
        begin_standing()
        st.fragment(_show_running, run_every=_EVERY_S if is_followed else None)(url, context)
    st.header("Measured by bench", anchor=False)
    show_bench(context)


def remember_address() -> None:
    """Keep the service that the address of the page names, which a change of the page takes from it."""
    if _ADDRESS in st.query_params:
        st.session_state[_ADDRESS] = st.query_params[_ADDRESS]


def _ask_for_address(context: Context) -> str | None:
    """Return which service is read; None, and why on the page, where none may be."""
    default = read_announcement(context.source.place.home.service) or DEFAULT_URL
    wanted = st.session_state.get(_ADDRESS) or default
    url = st.text_input("Address", value=wanted, key=f"{_ADDRESS}-widget").strip() or default
    if url == default:
        st.session_state.pop(_ADDRESS, None)  # one that is announced later is found
        st.query_params.pop(_ADDRESS, None)
    else:
        st.session_state[_ADDRESS] = st.query_params[_ADDRESS] = url
    try:
        host = host_of(url)
    except ServiceError as error:
        st.warning(str(error))
        return None
    if is_loopback(host) or st.checkbox(f"Read from `{host}`, which is another machine", key=f"other-{host}"):
        return url
    return None


def _show_running(url: str, context: Context) -> None:
    """Show how the service stands; it is asked again and again."""
    try:
        running = read_service(url)
    except ServiceError as error:
        st.info(f"{_sentence(error)} This page shows a service while it runs; a terminal starts one:")
        st.code(
            context.source.place.serve_command(next(iter(context.finished), EXAMPLE)), language=None, wrap_lines=True
        )
        return
    with st.container(key=_LIVE):
        st.html(_STEADY)
        show_standing(running)


def _sentence(error: ServiceError) -> str:
    words = str(error)
    return words[0].upper() + words[1:]

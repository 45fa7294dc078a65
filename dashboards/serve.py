"""Serves the λ explorer on loopback; `nercc-tune dashboard` starts it with a port."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pandas as pd  # noqa: F401 - plotly looks into a pandas that another thread is still importing
import streamlit as st
import uvicorn
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.web.bootstrap import load_config_options

from explorer.pages import PAGES  # imports what takes seconds now, and not when the first page is opened
from explorer.source import prepare


class PagesAtRoot:
    """Sends the address of a page (`/landscape`) to the root (`/?page=landscape`), which switches to the page.

    Streamlit's client takes the address that it is loaded from for a server of its own, and asks that in vain first.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope["path"].strip("/") if scope["type"] == "http" else ""
        if path in {page.path for page in PAGES}:
            query = {**dict(parse_qsl(scope["query_string"].decode())), "page": path}
            await RedirectResponse(f"/?{urlencode(query)}")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


OPTIONS = {
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "viewer",
    "server.fileWatcherType": "none",
    "server.headless": True,
    "theme.light.primaryColor": "#0072B2",  # Okabe and Ito's blues, as in the figures
    "theme.dark.primaryColor": "#56B4E9",
}


if __name__ == "__main__":
    threading.Thread(target=prepare, daemon=True).start()  # before somebody waits for it
    load_config_options(OPTIONS)
    explorer = st.App(Path(__file__).with_name("app.py"), middleware=[Middleware(PagesAtRoot)])
    uvicorn.run(explorer, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")

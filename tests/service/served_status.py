"""A small web server that says of itself what a service would say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nercc_tune.records import to_json
from nercc_tune.service.status import ServiceStatus

__all__ = ["StatusServer", "serving_status", "status_body"]


@dataclass(kw_only=True)
class StatusServer:
    """A server of loopback whose answer can be changed while it runs.

    Attributes:
        url: Where it is reached.
        body: What it answers, with `status` and `headers`.
        asked: The paths that were asked for.
    """

    url: str
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def status_body(status: ServiceStatus, **about: Any) -> bytes:
    """Return what a service answers."""
    return json.dumps({"about": about, "status": to_json(status)}).encode()


@contextmanager
def serving_status(body: bytes) -> Iterator[StatusServer]:
    """Serve an answer within the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.asked.append(self.path)
            self.send_response(shown.status)
            for name, value in shown.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(shown.body)))
            self.end_headers()
            self.wfile.write(shown.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shown = StatusServer(url=f"http://127.0.0.1:{server.server_port}", body=body)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield shown
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

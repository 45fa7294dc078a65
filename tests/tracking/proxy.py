"""A proxy between a client and an MLflow server that loses answers, or holds requests up."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CREATE = "/api/2.0/mlflow/runs/create"


class Proxy(ThreadingHTTPServer):
    """Passes everything on, but for the next creations of runs that it was told to spoil.

    Args:
        target: URL of the server.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.spoilt = 0
        self.late_s: float | None = None
        self._to_spoil = 0

    @property
    def url(self) -> str:
        """Where clients find the proxy."""
        return f"http://127.0.0.1:{self.server_port}"

    def spoil(self, count: int, *, late_s: float | None = None) -> None:
        """Give no answer to the next creations; the server sees them at once, or after `late_s` seconds."""
        self._to_spoil, self.late_s = count, late_s

    def is_to_spoil(self, path: str) -> bool:
        """Whether this request is to be spoilt, which is asked once a request."""
        if path != _CREATE or self.spoilt >= self._to_spoil:
            return False
        self.spoilt += 1
        return True


@contextmanager
def proxy_to(target: str) -> Iterator[Proxy]:
    """Serve a proxy while the block lasts."""
    with Proxy(target) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Be silent."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        if self.server.is_to_spoil(self.path):
            if self.server.late_s is None:
                self._ask(body)
            else:
                threading.Thread(target=self._ask_late, args=(body, self.server.late_s)).start()
            self.close_connection = True
            return
        status, answer = self._ask(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _ask_late(self, body: bytes | None, late_s: float) -> None:
        time.sleep(late_s)
        self._ask(body)

    def _ask(self, body: bytes | None) -> tuple[int, bytes]:
        request = urllib.request.Request(self.server.target + self.path, body, method=self.command)  # noqa: S310 - ours
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - ours
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

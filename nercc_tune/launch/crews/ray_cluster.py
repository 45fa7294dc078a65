"""The connection to a Ray cluster."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from nercc_tune.errors import CrewError, StorageError
from nercc_tune.text.one_line import one_line

__all__ = ["check_hosts", "connected"]

_PROBE_S = 5.0
# Nothing but the job travels between the nodes; Ray takes no less than 75 MB.
_OBJECT_STORE_BYTES = 100_000_000
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_HTTP2_SETTINGS = 4
_FRAME_HEAD_BYTES = 9


_MISSING = 'Ray is not installed; `pip install "nercc-tune[ray]"`'


@contextmanager
def connected(address: str, *, cpus: int, extras: Mapping[str, object] | None = None) -> Iterator[ModuleType]:
    """Be connected to a cluster; a connection that this process has already is used for `auto`.

    Args:
        address: `auto`, `local` for a new cluster, or the address of a head.
        cpus: What a new cluster has, whatever the machine has.
        extras: What else `ray.init` is given for a new cluster.

    Yields:
        The module `ray`.

    Raises:
        CrewError: If Ray is not installed, or the cluster cannot be reached.
    """
    if address not in ("auto", "local"):
        _probe(address)
    with _environment(address), _kept_sigterm():
        ray = _import_ray()
        if ray.is_initialized():
            if address != "auto":
                raise CrewError(f"this process is connected to a Ray cluster already; use `auto`, not `{address}`.")
            yield ray
            return
        _connect(ray, address, new={**_new(cpus), **(extras or {})} if address == "local" else {})
        try:
            yield ray
        finally:
            ray.shutdown()


def check_address(address: str) -> None:
    """Check what can be checked of an address within seconds, before anything is begun.

    Raises:
        CrewError: If Ray is not installed, or nothing like a cluster answers at the address.
    """
    if importlib.util.find_spec("ray") is None:
        raise CrewError(_MISSING)
    if address not in ("auto", "local"):
        _probe(address)


def check_hosts(hosts: Collection[str], storage: str) -> None:
    """Refuse SQLite where nodes are on other hosts than this one.

    Raises:
        StorageError: If it is so.
    """
    others = sorted(set(hosts) - {socket.gethostname()})
    if storage.startswith("sqlite") and others:
        raise StorageError(
            f"the Ray cluster has nodes on other hosts ({one_line(', '.join(others))}), and SQLite serves one host: "
            "its locks do not hold across a network; launch with `--storage postgresql+psycopg://USER@HOST/DATABASE`."
        )


def _new(cpus: int) -> dict[str, object]:
    return {
        "num_cpus": max(1, cpus),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
    }


def _connect(ray: Any, address: str, *, new: Mapping[str, object]) -> None:
    quiet = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    try:
        ray.init(address=address, **quiet, **new)
    except (Exception, SystemExit) as error:  # Ray raises errors of any class, a plain `Exception` among them
        # Ray ends the process by SIGTERM, which its handler turns into SystemExit, when the head does not answer.
        reason = "it does not answer" if isinstance(error, SystemExit) else one_line(error)
        raise CrewError(
            f"cannot connect to the Ray cluster `{address}` ({reason}); start one by `ray start --head`, "
            "correct --ray, or use `--ray local`."
        ) from error


def _import_ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise CrewError(_MISSING) from error


def _probe(address: str) -> None:
    """Refuse an address where nothing answers as the head of a cluster does.

    Ray itself would try for minutes and then end the process.

    Raises:
        CrewError: If it is so.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise CrewError(f"`--ray` must be auto, local or HOST:PORT of a cluster's head, but got {one_line(address)}.")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
                return
            connection.sendall(_HTTP2_PREFACE)
            answer = connection.recv(_FRAME_HEAD_BYTES)  # a frame's head: its length, its type …
    except (OSError, OverflowError) as error:
        raise CrewError(f"no Ray cluster answers at {address} ({one_line(error)}); correct --ray.") from error
    if len(answer) < 4 or answer[3] != _HTTP2_SETTINGS:
        raise CrewError(f"what answers at {address} is no Ray cluster; correct --ray: its head listens on port 6379.")


@contextmanager
def _environment(address: str) -> Iterator[None]:
    """Keep Ray quiet, and a new cluster to this machine and its token; what the user set is kept.

    Ray would keep a token in the user's home if it were given none. It binds its ports to loopback only if it is
    imported in this environment; in a process that imported it before, the token alone keeps others out.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
    given = {"RAY_DEDUP_LOGS_SKIP_REGEX": "."}  # else it prints all deaths, which the crew tells, into the progress
    if address == "local":
        given |= {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_agent_register_timeout_ms": "120000",  # on a busy machine half a minute is too short
        }
        if "RAY_AUTH_TOKEN_PATH" not in before:
            given["RAY_AUTH_TOKEN"] = _token()
    os.environ.update({**given, **before})
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("RAY_")]:
            del os.environ[name]
        os.environ.update(before)


@cache
def _token() -> str:
    """Return the token of this process's clusters, which Ray reads only once."""
    return secrets.token_hex(32)


@contextmanager
def _kept_sigterm() -> Iterator[None]:
    """Restore what SIGTERM does, for which Ray sets its own."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)

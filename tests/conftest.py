"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from xdist.remote import Producer

from tests.scheduling import SharingScheduler
from tests.services.mlflow_server import mlflow_server
from tests.services.postgres import postgres

_MOST_PROCESSES = 8  # each takes half a gigabyte
_LONGEST = {"faults", "crews"}
"""Folders whose tests take a minute or two each, and therefore begin first."""

__all__ = ["data_root", "mlflow_server", "postgres", "trace_root"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite in a process for each core, and what is named on the command line in this one."""
    if hasattr(config, "workerinput"):  # this is one of those processes
        return
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and config.getoption("markexpr") != "alone"
    if is_whole and config.getoption("numprocesses") is None and not config.getoption("usepdb"):
        config.option.numprocesses = min(os.cpu_count() or 1, _MOST_PROCESSES)
    if config.getoption("numprocesses"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # or their threads disturb each other
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script; programs would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The tests start hundreds of processes, which import the same modules.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharingScheduler | None:
    return SharingScheduler(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [] if _wants_slow(config) else ["the tests marked slow are skipped; --slow runs them as well"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not _LONGEST.intersection(item.path.parts))
    for item in items:
        if item.get_closest_marker("slow") and not _wants_slow(config):
            item.add_marker(pytest.mark.skip(reason="slow; --slow runs it"))
        elif item.get_closest_marker("alone") and hasattr(config, "workerinput"):
            item.add_marker(pytest.mark.skip(reason="asserts on time; `-m alone` runs it"))


def _wants_slow(config: pytest.Config) -> bool:
    """Whether slow tests run: by `--slow`, or where `-m` speaks of them."""
    return config.getoption("--slow") or any(name in config.getoption("markexpr") for name in ("slow", "alone"))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Return the folder of the real data sets: `MNIST/raw`, `cifar10`, `imagenet-sample`, `weights`."""
    named = os.environ.get("NERCC_TUNE_DATA")
    if not named:
        pytest.skip("NERCC_TUNE_DATA does not name a folder of real data")
    root = Path(named)
    if not (root / "MNIST" / "raw").is_dir():
        pytest.skip(f"no real data under {root}")
    return root


@pytest.fixture(scope="session")
def trace_root() -> Path:
    """Return the folder of the real traces: `NERCC_TUNE_TRACES`, or `shared/data/traces` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "traces"
    root = Path(os.environ.get("NERCC_TUNE_TRACES") or beside)
    if not (root / "alibaba_pai_job4.csv").is_file():
        pytest.skip(f"no real traces under {root}")
    return root

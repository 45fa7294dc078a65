"""MLflow's page on the tracking store and the λ explorer on the home, both on loopback."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from nercc_tune.dashboard.place import Place
from nercc_tune.dashboard.service import HOST, Service, check_free
from nercc_tune.errors import DashboardError
from nercc_tune.home import Home
from nercc_tune.home.shipped import explorer_script
from nercc_tune.tracking.links import point_to_explorer
from nercc_tune.tracking.reachability import check_tracking, is_server, is_sqlite, sqlite_path, without_login

_WATCH_S = 1.0
_MLFLOW_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight idle processes less
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@dataclass(frozen=True, kw_only=True)
class Links:
    """Where to look.

    Attributes:
        mlflow: MLflow's page.
        explorer: The λ explorer; None where it was not asked for.
    """

    mlflow: str
    explorer: str | None


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """What is shown, and where.

    Attributes:
        home: Where studies were launched.
        storage: URL of Optuna's storage.
        tracking: URL of the tracking store; a server is used as it is, a database is given a server here.
        port: Of MLflow's page; the explorer takes the next one.
        is_mlflow_only: Whether to leave the explorer out.
        allow_code: Whether the explorer may load Python code that a study names.
    """

    home: Home
    storage: str
    tracking: str
    port: int = 5000
    is_mlflow_only: bool = False
    allow_code: bool = False

    def check(self) -> None:
        """Check that all can be started, before anything is.

        Raises:
            NerccTuneError: If a port is taken, the tracking store cannot be used, or streamlit is not installed.
        """
        if not 1 <= self.port <= 65534:
            raise DashboardError(f"`--port` must be from 1 to 65534, but got {self.port}.")
        if not self.is_mlflow_only and importlib.util.find_spec("streamlit") is None:
            raise DashboardError(
                'the λ explorer needs streamlit: pip install "nercc-tune[dashboard]", or give --mlflow-only.'
            )
        if not is_server(self.tracking):
            check_free(self.port, "MLflow")
        if not self.is_mlflow_only:
            check_free(self.port + 1, "the λ explorer")
        check_tracking(self.tracking)

    @contextmanager
    def running(self, *, notify: Callable[[str], None] = lambda _: None) -> Iterator[tuple[Links, Callable[[], None]]]:
        """Start what does not run yet, wait until it answers, and end it after the block.

        Args:
            notify: Called with a line when a step begins that takes time.

        Yields:
            The links, and a function that waits until it is interrupted or a server ends.

        Raises:
            NerccTuneError: As for `check`, or if one of the servers ends or does not answer.
        """
        self.check()
        with ExitStack() as stack:
            services: list[Service] = []
            if not self.is_mlflow_only:
                notify("starting the λ explorer")
                services.append(stack.enter_context(self._explorer))
            if not is_server(self.tracking):
                notify("starting MLflow")
                self._make_store()
                services.append(stack.enter_context(self._mlflow))
            links = Links(mlflow=self._mlflow_url, explorer=None if self.is_mlflow_only else self._explorer.url)
            if links.explorer is not None:
                point_to_explorer(self.tracking, links.explorer)  # imports MLflow, while the servers start
            for service in services:
                service.wait_until_ready()

            def wait() -> None:
                while True:
                    time.sleep(_WATCH_S)
                    for service in services:
                        service.check()

            yield links, wait

    def _make_store(self) -> None:
        """Make an SQLite tracking store that is not there yet as a launch would make it."""
        # Here, not above: MLflow takes seconds to import.
        from nercc_tune.tracking.store import open_client  # noqa: PLC0415

        if is_sqlite(self.tracking) and not sqlite_path(self.tracking).exists():
            open_client(self.tracking, self.home.artifacts)

    @property
    def _mlflow_url(self) -> str:
        return without_login(self.tracking).rstrip("/") if is_server(self.tracking) else self._mlflow.url

    @property
    def _mlflow(self) -> Service:
        options = ["--host", HOST, "--port", str(self.port), "--workers", "1"]
        return Service(
            name="MLflow",
            command=[
                *(sys.executable, "-m", "mlflow", "server", *options),
                *("--artifacts-destination", self.home.artifacts.as_uri()),
            ],
            port=self.port,
            health="/health",
            environment={**_MLFLOW_ENVIRONMENT, "MLFLOW_BACKEND_STORE_URI": self.tracking},
        )

    @property
    def _explorer(self) -> Service:
        place = Place(
            home=self.home,
            storage=self.storage,
            tracking=self.tracking,
            mlflow=self._mlflow_url,
            allow_code=self.allow_code,
        )
        return Service(
            name="the λ explorer",
            command=[sys.executable, str(explorer_script()), str(self.port + 1)],
            port=self.port + 1,
            health="/_stcore/health",
            environment=place.to_environment(),
        )

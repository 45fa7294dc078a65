"""The home directory: everything that studies leave behind lies in it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from nercc_tune.errors import HomeError
from nercc_tune.home.places import given_path, sqlite_url

_LOCK = ".lock"


@dataclass(frozen=True)
class Home:
    """Where things lie below the home directory.

    ```
    optuna.db            Optuna's storage: the source of truth
    mlflow.db            MLflow's tracking store, a projection of it
    mlartifacts/         MLflow's artifacts
    outputs/             worker outputs, so that no forward pass is repeated
    networks/            networks of trained codes, and trainings that are not over
    weights/             what `nercc-tune train` made
    data/                downloaded data sets
    studies/<name>/      the table, the figures and the report of a study
    service.json         where `nercc-tune serve` listens, while it runs
    ```

    Attributes:
        root: The home directory; `~` stands for the user's own.
        data_dir: The data sets where they do not lie in the home.

    Raises:
        HomeError: If `~` stands for nobody.
    """

    root: Path
    data_dir: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", given_path(self.root))
        if self.data_dir is not None:
            object.__setattr__(self, "data_dir", given_path(self.data_dir))

    @property
    def storage_url(self) -> str:
        """URL of Optuna's default storage."""
        return sqlite_url(self.root.absolute() / "optuna.db")

    @property
    def has_storage(self) -> bool:
        """Whether anything was launched with the default storage."""
        return (self.root / "optuna.db").exists()

    @property
    def tracking_url(self) -> str:
        """URL of MLflow's default tracking store."""
        return sqlite_url(self.root.absolute() / "mlflow.db")

    @property
    def artifacts(self) -> Path:
        """Folder of MLflow's artifacts."""
        return self.root.absolute() / "mlartifacts"

    @property
    def outputs(self) -> Path:
        """Folder of kept worker outputs."""
        return self.root / "outputs"

    @property
    def networks(self) -> Path:
        """Folder of kept networks."""
        return self.root / "networks"

    @property
    def data(self) -> Path:
        """Folder of data sets."""
        return self.data_dir or self.root / "data"

    @property
    def service(self) -> Path:
        """File that says where a service listens."""
        return self.root / "service.json"

    def study(self, name: str) -> Path:
        """Return the folder of a study's results."""
        return self.root / "studies" / name

    def check_writable(self) -> None:
        """Refuse a home that cannot be written to, without making it.

        Raises:
            HomeError: If it is a file, or it or the folder it would be made in does not allow writing.
        """
        nearest = self.root.absolute()
        while not nearest.exists():
            nearest = nearest.parent
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise HomeError(
                f"the home {self.root} cannot be written to ({nearest} does not allow it); set another --home."
            )

    def table(self, name: str) -> Path:
        """Return where the table of a study lies; what its codes need besides lies beside it."""
        return self.study(name) / "table.json"

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a study, so that no other process on this machine launches it at the same time.

        Raises:
            HomeError: If another process holds it.
        """
        folder = self.study(name)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("a+", encoding="utf-8") as file:
            self._take(file, name)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            yield

    def check_free(self, name: str) -> None:
        """Refuse early, before the time that loading takes, a study that another process holds; writes nothing.

        Raises:
            HomeError: If another process holds it.
        """
        with suppress(FileNotFoundError), (self.study(name) / _LOCK).open("r+", encoding="utf-8") as file:
            self._take(file, name)

    def _take(self, file: TextIO, name: str) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise HomeError(
                f"study `{name}` is being launched by {file.read() or 'another process'} in {self.root}; "
                f"wait for it, join it with `nercc-tune worker {name}`, or use another --home."
            ) from error

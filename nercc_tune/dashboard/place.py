"""What the λ explorer shows, handed from the command to the process that serves it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nercc_tune.home import Home

_VARIABLE = "NERCC_TUNE_EXPLORER"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the λ explorer shows.

    Attributes:
        home: Where studies were launched.
        storage: URL of Optuna's storage; may hold a password.
        tracking: URL of the tracking store; may hold a password.
        mlflow: Address of MLflow's page, without one.
        allow_code: Whether Python code that a study names may be loaded.
    """

    home: Home
    storage: str
    tracking: str
    mlflow: str
    allow_code: bool = False

    def launch_command(self, study: str) -> str:
        """Return what launches a study so that it is shown here, for somebody to type."""
        return self._command("launch", study)

    def serve_command(self, study: str) -> str:
        """Return what serves the code of a study so that it is shown here, for somebody to type."""
        return self._command("serve", study)

    def bench_command(self, study: str) -> str:
        """Return what measures the code of a study and its rivals so that it is shown here, for somebody to type."""
        return self._command("bench", study)

    def _command(self, name: str, study: str) -> str:
        words = ["nercc-tune", name, study, "--home", str(self.home.root)]
        if self.home.data_dir is not None:
            words += ["--data-dir", str(self.home.data_dir)]
        return shlex.join(words)

    def to_environment(self) -> dict[str, str]:
        """Return the place as an environment variable, which process lists do not show."""
        data_dir = self.home.data_dir
        values = {
            "home": str(self.home.root.absolute()),
            "data_dir": None if data_dir is None else str(data_dir.absolute()),
            "storage": self.storage,
            "tracking": self.tracking,
            "mlflow": self.mlflow,
            "allow_code": self.allow_code,
        }
        return {_VARIABLE: json.dumps(values)}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the place that the command handed over.

        Raises:
            KeyError: If it was not started by the command.
        """
        values = json.loads(environment[_VARIABLE])
        data_dir = values["data_dir"]
        return cls(
            home=Home(Path(values["home"]), None if data_dir is None else Path(data_dir)),
            storage=values["storage"],
            tracking=values["tracking"],
            mlflow=values["mlflow"],
            allow_code=values["allow_code"],
        )

"""Where a result comes from: versions, commit, device, times."""

from __future__ import annotations

import datetime as dt
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from nercc_tune.records import Provenance

_PACKAGES = ("nercc-tune", "torch", "timm", "optuna", "numpy")
_GIT_SECONDS = 5


def collect_provenance(*, device: str, precision: str, seconds: Mapping[str, float]) -> Provenance:
    """Describe this process and machine; `seconds` are those of each stage."""
    return Provenance(
        versions={"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        git_commit=_git_commit(Path.cwd()),
        device=device,
        precision=precision,
        times={
            "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            **{f"{stage}_s": round(spent, 3) for stage, spent in seconds.items()},
        },
    )


def _git_commit(folder: Path) -> str | None:
    """Return the commit that a folder is at, or None outside a checkout or where git is missing."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the user has
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None

"""What ships beside the package, found wherever it is installed: study files by name, and the λ explorer."""

from __future__ import annotations

from pathlib import Path

from nercc_tune.errors import DashboardError, SpecError
from nercc_tune.home.places import given_path

_PACKAGE = Path(__file__).resolve().parents[1]
# In a wheel they lie inside the package, in a checkout beside it.
_PLACES = (_PACKAGE, _PACKAGE.parent)


def bundled_studies() -> dict[str, Path]:
    """Return the study files that ship with the package, by name."""
    found: dict[str, Path] = {}
    for place in reversed(_PLACES):
        found |= {path.stem: path for path in sorted((place / "studies").glob("*.toml"))}
    return dict(sorted(found.items()))


def find_study(study: str) -> Path:
    """Return the study file that a path or a bundled name stands for.

    Raises:
        SpecError: If there is neither such a file nor such a name.
    """
    path = given_path(study)
    if path.is_file():
        return path
    bundled = bundled_studies()
    if study in bundled:
        return bundled[study]
    raise SpecError(f"there is no study file `{study}`; give a path, or one of {', '.join(bundled) or 'none'}.")


def explorer_script() -> Path:
    """Return the program that serves the λ explorer.

    Raises:
        DashboardError: If it does not lie where it is installed.
    """
    for place in _PLACES:
        script = place / "dashboards" / "serve.py"
        if script.is_file():
            return script
    raise DashboardError("the λ explorer is not installed with nercc_tune; install it again, or give --mlflow-only.")

"""Study files by path or by name: the ones that ship are found wherever the package is installed."""

from __future__ import annotations

from pathlib import Path

from nercc_tune.errors import SpecError

_PACKAGE = Path(__file__).resolve().parent
# In a wheel the study files lie inside the package, in a checkout beside it.
_FOLDERS = (_PACKAGE / "studies", _PACKAGE.parent / "studies")


def bundled_studies() -> dict[str, Path]:
    """Return the study files that ship with the package, by name."""
    found: dict[str, Path] = {}
    for folder in reversed(_FOLDERS):
        found |= {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return dict(sorted(found.items()))


def find_study(study: str) -> Path:
    """Return the study file that a path or a bundled name stands for.

    Raises:
        SpecError: If there is neither such a file nor such a name.
    """
    path = Path(study)
    if path.is_file():
        return path
    bundled = bundled_studies()
    if study in bundled:
        return bundled[study]
    raise SpecError(f"there is no study file `{study}`; give a path, or one of {', '.join(bundled) or 'none'}.")

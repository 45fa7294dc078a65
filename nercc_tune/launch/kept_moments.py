"""The moments of a study's calibrated codes, beside its table in the home."""

from __future__ import annotations

from collections.abc import Sequence

from nercc_tune.errors import TableError
from nercc_tune.export.moments import moments_path, pack_moments, read_moments
from nercc_tune.export.table import TunedTable
from nercc_tune.home import Home, write_whole
from nercc_tune.records import Policy, StudyHistory, TunedEntry
from nercc_tune.selection import Judge

__all__ = ["has_moments", "keep_moments"]


def keep_moments(home: Home, name: str, judge: Judge, chosen: Sequence[TunedEntry | Policy]) -> None:
    """Write what the calibrated codes decode with; before the choice is recorded, which needs it."""
    moments = [judge.moments_of(item.design, item.lambda_enc) for item in chosen]
    needed = {item.digest: item for item in moments if item is not None}
    path = moments_path(home.table(name))
    if needed:
        write_whole(path, pack_moments(needed.values()))
    else:
        path.unlink(missing_ok=True)  # of an earlier choice


def has_moments(home: Home, history: StudyHistory) -> bool:
    """Whether the moments of a judged study are in a home, as another home's are not."""
    try:
        read_moments(moments_path(home.table(history.name)), TunedTable.from_history(history))
    except TableError:
        return False
    return True

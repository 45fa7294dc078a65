"""Which split of a data set is wanted, and from where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DataRequest"]


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """Which split of a data set is wanted, and where it lies.

    `data_dir` is the folder of the data (for `npz`, the file); `notify` is told of downloads.
    """

    data_dir: Path
    is_training: bool
    notify: Callable[[str], None]

    @property
    def split(self) -> str:
        """The name of the split: `train` or `test`."""
        return "train" if self.is_training else "test"

"""Where people keep arrays: an `.npz` file, or two `.npy` files."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.text.one_line import one_line

__all__ = ["Arrays", "read_arrays"]

# What images and their labels are called; where a file holds several pairs, the first of these is taken.
_PAIRS = (
    ("images", "labels"),
    ("test_images", "test_labels"),
    ("x_test", "y_test"),
    ("X_test", "y_test"),
    ("x", "y"),
    ("X", "y"),
    ("data", "labels"),
    ("data", "targets"),
    ("data", "target"),
    ("arr_0", "arr_1"),
)

# What NumPy and the archive raise for files that were cut, changed or made to harm.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrays:
    """Images and labels as they were found, and what a reader should know of them."""

    images: NDArray[np.generic]
    labels: NDArray[np.generic]
    notes: tuple[str, ...] = ()


def read_arrays(path: Path) -> Arrays:
    """Read `images` and `labels` out of an `.npz` file, or out of a folder with `images.npy` and `labels.npy`.

    Either of these files may be named in place of its folder. Other usual names are taken too: `x_test` and `y_test`,
    `test_images` and `test_labels` …, which a note says. No pickle is read.

    Raises:
        DataMissingError: There is no such file.
        WorkloadError: The file cannot be read, or lacks one of the arrays.
    """
    if path.is_dir():
        return _read_folder(path, {file.stem for file in path.glob("*.npy")}, told=path)
    if not path.is_file():
        raise _missing(path)
    with _reading(path):
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            with loaded:
                return _pick(loaded.files, loaded.__getitem__, path)
    partners = {name for pair in _PAIRS if path.stem in pair for name in pair}
    return _read_folder(path.parent, {name for name in partners if (path.parent / f"{name}.npy").is_file()}, told=path)


def _missing(path: Path) -> DataMissingError:
    return DataMissingError(
        "`data_dir` must be the path of an .npz file with `images` and `labels`, or of a folder with `images.npy` and "
        f"`labels.npy`, but got {one_line(path)}."
    )


def _read_folder(folder: Path, names: Collection[str], *, told: Path) -> Arrays:
    if not any(set(pair) <= set(names) for pair in _PAIRS):
        raise _missing(told)

    def load(name: str) -> NDArray[np.generic]:
        file = folder / f"{name}.npy"
        with _reading(file):
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
        raise WorkloadError(f"`{one_line(file)}` must be one array, but is an archive; name it .npz.")

    return _pick(names, load, folder)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise WorkloadError(
            f"`{one_line(path)}` must be an .npz file of plain arrays, but cannot be read: {one_line(error)}"
        ) from error


def _pick(names: Collection[str], load: Callable[[str], NDArray[np.generic]], path: Path) -> Arrays:
    pair = next((pair for pair in _PAIRS if set(pair) <= set(names)), None)
    if pair is None:
        raise WorkloadError(
            f"`{one_line(path)}` must hold the arrays `images` and `labels`, but lacks one of them; "
            f"it holds {one_line(', '.join(sorted(names))) or 'none'}."
        )
    notes = (f"of `{one_line(path)}` taken: `{pair[0]}` with the labels `{pair[1]}`",) * (pair != _PAIRS[0])
    return Arrays(images=load(pair[0]), labels=load(pair[1]), notes=notes)

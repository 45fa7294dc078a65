"""Reading PyTorch's pickles of tensors without believing them: nothing that a file names is imported or called."""

from __future__ import annotations

import pickletools
import re
import sys
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

__all__ = ["Skipped", "load_tensors"]

# What torch's own list lacks and people keep beside their weights. Other names of the standard library are functions,
# or classes that nobody keeps.
_STANDARD_DATA = frozenset(
    {
        "argparse.Namespace",
        "builtins.bool",
        "builtins.dict",
        "builtins.float",
        "builtins.frozenset",
        "builtins.int",
        "builtins.list",
        "builtins.object",
        "builtins.range",
        "builtins.slice",
        "builtins.str",
        "builtins.tuple",
        "collections.defaultdict",
        "collections.deque",
        "datetime.date",
        "datetime.datetime",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "functools.partial",
        "types.SimpleNamespace",
        "uuid.UUID",
    }
)
_PATHS = re.compile(r"pathlib(\._local)?\.(Pure)?(Posix|Windows)?Path")
_NUMPY = re.compile(r"numpy\._?core\.multiarray\.(scalar|_reconstruct)|numpy\.(dtype|ndarray)|numpy\.dtypes\.\w+DType")
_CLASS = re.compile(r"(\w+\.)+_*[A-Z]\w*")
_TENSORS = re.compile(r"torch(\.\w+)*\.(\w+Storage|Size|Tensor|Parameter)|builtins\.\w+")
_LEGACY_PICKLES = 4  # a number, the protocol, the system, the object


class Skipped:
    """Stands in for an object that is no tensor: takes whatever it is made with, keeps nothing and does nothing."""

    __slots__ = ()

    def __new__(cls, *_: object) -> Any:
        """Make one; sub-classes may make something else."""
        return object.__new__(cls)

    def __setstate__(self, _: object) -> None: ...


class _SkippedMapping(Skipped):
    """Stands in for a class of dictionaries, whose items may be the weights."""

    def __new__(cls, *_: object) -> Any:
        return OrderedDict()


class _SkippedList(Skipped):
    """Stands in for a class of lists."""

    def __new__(cls, *_: object) -> Any:
        return []


def load_tensors(path: Path) -> tuple[object, tuple[str, ...]]:
    """Return what a file of `torch.save` holds, and the classes whose objects were skipped.

    torch's own reader for `weights_only=True` reads it: it runs no code, builds tensors and plain values, and refuses
    any other name. Names of classes are given to it as those of `Skipped`, so that objects beside the tensors
    (`argparse.Namespace`, NumPy's numbers, configurations …) are passed over. Names of functions stay refused.

    Raises:
        Exception: Of many classes, for a file that was cut, changed or made to harm.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other protocols
        try:
            return _read(path), ()
        except UnpicklingError:
            names = sorted(name for name in _names_in(path) if _is_data(name))
            if not names:
                raise
        skipped = tuple(name for name in names if not _TENSORS.fullmatch(name))
        try:
            return _load(path, names, Skipped), skipped
        except UnpicklingError:  # an object with items, which torch puts into plain dictionaries alone
            return _load(path, names, _SkippedMapping), skipped


def _load(path: Path, names: Iterable[str], stand_in: type[Skipped]) -> object:
    kinds = {name: Skipped if _NUMPY.fullmatch(name) else stand_in for name in names}
    kinds |= {"collections.deque": _SkippedList}
    with torch.serialization.safe_globals([(kind, name) for name, kind in kinds.items()]):
        return _read(path)


def _read(path: Path) -> object:
    with path.open("rb") as file:  # from a path torch would take the format by the name
        loaded: object = torch.load(file, map_location="cpu", weights_only=True)
    return loaded


def _is_data(name: str) -> bool:
    """Whether a name is that of a class of plain data: known here, or of another package and with a capital letter.

    >>> [_is_data(name) for name in ("argparse.Namespace", "omegaconf.DictConfig", "posix.system", "mine.run")]
    [True, True, False, False]
    """
    if name in _STANDARD_DATA or _PATHS.fullmatch(name) or _NUMPY.fullmatch(name):
        return True
    is_standard = name.partition(".")[0] in sys.stdlib_module_names
    return not is_standard and _CLASS.fullmatch(name) is not None


def _names_in(path: Path) -> set[str]:
    """Return the names of classes and functions in the pickles of a file, which are looked through and not obeyed."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return {name for _ in range(_LEGACY_PICKLES) for name in _names_of(file)}
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
        return {name for item in pickles for name in _names_of(archive.read(item))}


def _names_of(pickled: Any) -> list[str]:
    found = [str(argument) for code, argument, _ in pickletools.genops(pickled) if code.name == "GLOBAL"]
    return [".".join(_modernise(module, name)) for module, _, name in (text.partition(" ") for text in found)]


def _modernise(module: str, name: str) -> tuple[str, str]:
    """Return the name that torch reads for one of Python 2, as which protocol 2 writes what has been renamed."""
    found: tuple[str, str] = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return found

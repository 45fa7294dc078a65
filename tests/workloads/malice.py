"""Files that would run code if they were believed: the payload makes a file, by which a test sees that it ran."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path


class Payload:
    """An object that makes a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.witness,))


def pickled(witness: Path) -> bytes:
    """Return a pickle that makes a file in a reader who believes it, which is tried here."""
    written = pickle.dumps(Payload(witness), protocol=2)
    pickle.loads(written)  # noqa: S301 - to see that the payload works
    assert witness.exists()
    witness.unlink()
    return written


def rewrite(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """Write an archive again with changed members."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target

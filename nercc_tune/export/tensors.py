"""Files of tensors beside a table."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from nercc_tune.errors import TableError
from nercc_tune.text.one_line import one_line

__all__ = ["AGAIN", "read_tensors"]

AGAIN = "export the table again, which writes all its files, or launch its study again if this is its home"
"""How to mend a file that lies beside a table."""


def read_tensors(path: Path, *, kind: str, needed_by: str) -> dict[str, Tensor]:
    """Read a file of tensors, by name.

    Args:
        path: Of the file.
        kind: What it holds, for a message.
        needed_by: Which decoders of the table need it, likewise.

    Raises:
        TableError: If the file is missing or cut.
    """
    try:
        return load(path.read_bytes())
    except OSError as error:
        reason = one_line(error)
        raise TableError(
            f"the table's {needed_by} decoders need `{one_line(path)}`, which cannot be read ({reason}); {AGAIN}."
        ) from error
    except (SafetensorError, ValueError) as error:
        raise TableError(f"`{one_line(path)}` is no whole file of {kind} ({one_line(error)}); {AGAIN}.") from error

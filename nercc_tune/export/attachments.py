"""What lies beside a table, being too large for it: moments, typical answers, networks of trained codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nercc_tune.coding import Moments, NetworksFile, Typical, pack_networks, read_networks
from nercc_tune.errors import TableError
from nercc_tune.export.moments import moments_path, pack_moments, read_moments
from nercc_tune.export.table import TunedTable
from nercc_tune.export.tensors import AGAIN
from nercc_tune.export.typical import pack_typical, read_typical, typical_path
from nercc_tune.text.one_line import one_line

__all__ = ["Attachments", "attached_files", "networks_path", "read_attachments"]

_NAME_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Attachments:
    """What the codes of a table need beside it, by digest."""

    moments: Mapping[str, Moments] = field(default_factory=dict)
    networks: Mapping[str, NetworksFile] = field(default_factory=dict)
    typical: Mapping[str, Typical] = field(default_factory=dict)


def networks_path(table: str | Path, digest: str) -> Path:
    """Return where networks of a table's file lie: beside it, its name with the first digits of their digest."""
    path = Path(table)
    return path.with_name(f"{path.stem}-{digest[:_NAME_DIGITS]}.safetensors")


def attached_files(table: TunedTable, attachments: Attachments, *, beside: str | Path) -> dict[Path, bytes]:
    """Return the files that belong beside a table's file, by path.

    Raises:
        TableError: If something that the table needs is not among the attachments.
    """
    missing = [
        *(set(table.moments) - set(attachments.moments)),
        *(set(table.networks) - set(attachments.networks)),
        *(set(table.typical) - set(attachments.typical)),
    ]
    if missing:
        raise TableError(f"the table needs what was not read with it ({missing[0][:_NAME_DIGITS]}); {AGAIN}.")
    files: dict[Path, bytes] = {}
    if table.moments:
        files[moments_path(beside)] = pack_moments(attachments.moments[digest] for digest in table.moments)
    if table.typical:
        files[typical_path(beside)] = pack_typical(attachments.typical[digest] for digest in table.typical)
    for digest in table.networks:
        files[networks_path(beside, digest)] = pack_networks(attachments.networks[digest])
    return files


def read_attachments(table: TunedTable, *, beside: str | Path) -> Attachments:
    """Read what a table needs from beside its file.

    Raises:
        TableError: If a file is missing, cut, or not that of the table.
    """
    networks = {digest: _read_networks(networks_path(beside, digest), digest) for digest in table.networks}
    return Attachments(
        moments=read_moments(moments_path(beside), table),
        networks=networks,
        typical=read_typical(typical_path(beside), table),
    )


def _read_networks(path: Path, digest: str) -> NetworksFile:
    try:
        found = read_networks(path.read_bytes())
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise TableError(
            f"the table's networks must lie in `{one_line(path)}`, which cannot be read ({reason}); {AGAIN}."
        ) from error
    except ValueError as error:
        raise TableError(f"`{one_line(path)}` cannot be used: {one_line(error)}; {AGAIN}.") from error
    if found.digest != digest:
        raise TableError(f"the networks in `{one_line(path)}` do not match the table's digest; {AGAIN}.")
    return found

"""What `doctor` shows: as a table, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from nercc_tune.doctor import Finding

__all__ = ["describe_findings", "is_usable", "table_of_findings"]


def is_usable(findings: Iterable[Finding]) -> bool:
    """Whether a study can be launched: all that each needs is there."""
    return all(finding.is_ok or not finding.is_needed for finding in findings)


def table_of_findings(findings: Iterable[Finding]) -> Table:
    """Return a row for each finding."""
    shown = Table("", "what", "found", box=None)
    for finding in findings:
        shown.add_row(_verdict(finding), finding.what, Text(finding.text))
    return shown


def describe_findings(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as JSON values, which `nercc-tune doctor --json` prints.

    `is_usable`, and `findings`: each with `what`, `is_ok`, `is_needed` and `text`.
    """
    return {"is_usable": is_usable(findings), "findings": [vars(finding) for finding in findings]}


def _verdict(finding: Finding) -> Text:
    if finding.is_ok:
        return Text("ok", style="green")
    return Text("unusable", style="red") if finding.is_needed else Text("missing", style="yellow")

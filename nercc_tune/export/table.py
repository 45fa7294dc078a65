"""The tuned λ table: the artifact that a serving system loads.

Only pydantic and the standard library are needed to read one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nercc_tune.errors import TableError
from nercc_tune.records import (
    Design,
    Goal,
    Policy,
    Provenance,
    Strict,
    StudyHistory,
    TunedEntry,
    WorkloadInfo,
    from_json,
    to_json,
)
from nercc_tune.spec import StudySpec

SCHEMA = "nercc-tune/table/2"
"""Name of the table's format; a change that breaks readers changes the number."""


@dataclass(frozen=True, kw_only=True)
class TunedTable(Strict):
    """The tuned pairs of a study, one entry a straggler count, and the policy over all of them.

    Attributes:
        study: Name of the study.
        study_digest: Digest of the study file.
        goal: What was optimised.
        reference: The design of the baselines.
        straggling: The straggler model, as in the study file.
        entries: Ascending in the number of stragglers.
    """

    study: str
    study_digest: str
    workload: WorkloadInfo
    goal: Goal
    reference: Design
    straggling: dict[str, Any]
    entries: tuple[TunedEntry, ...]
    policy: Policy
    provenance: Provenance

    def __post_init__(self) -> None:
        counts = [entry.stragglers for entry in self.entries]
        if not counts or counts != sorted(set(counts)):
            raise ValueError(f"`entries` must be at least one, ascending in `stragglers`, but got {counts}.")

    @classmethod
    def from_history(cls, history: StudyHistory) -> TunedTable:
        """Build the table of a finished study.

        Raises:
            TableError: If the study has not been judged on its held-out draws yet.
        """
        if not history.is_finished or history.policy is None or history.provenance is None:
            raise TableError(f"study `{history.name}` is not finished; run `nercc-tune launch` again to complete it.")
        entries = sorted((cell.entry for cell in history.cells if cell.entry), key=lambda entry: entry.stragglers)
        return cls(
            study=history.name,
            study_digest=history.digest,
            workload=history.workload,
            goal=history.goal,
            reference=StudySpec.model_validate(history.spec, strict=False).reference,
            straggling=history.spec.get("straggling", {}),
            entries=tuple(entries),
            policy=history.policy,
            provenance=history.provenance,
        )

    @property
    def digest(self) -> str:
        """SHA-256 over the content, times and commit aside: equal for equal results."""
        return _digest(_content(self))

    def entry(self, stragglers: int) -> TunedEntry:
        """Return the entry for a straggler count, which may lie within a range.

        Raises:
            TableError: If the table has none for it.
        """
        for entry in self.entries:
            if entry.fewest <= stragglers <= entry.stragglers:
                return entry
        spans = ((entry.fewest, entry.stragglers) for entry in self.entries)
        known = ", ".join(str(most) if fewest == most else f"{fewest} to {most}" for fewest, most in spans)
        raise TableError(f"`stragglers` must be one of the table's counts {known}, but got {stragglers}.")

    def to_json(self) -> str:
        """Return the table as JSON text, schema and digest included."""
        return (
            json.dumps({"schema": SCHEMA, "digest": self.digest, **_content(self)}, indent=2, ensure_ascii=False) + "\n"
        )


def parse_table(text: str) -> TunedTable:
    """Read a table from JSON text.

    Raises:
        TableError: If the text is not JSON, of another schema, lacks a field, or does not match its digest.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise TableError(f"the table is not JSON ({error}); export it again with `nercc-tune export`.") from error
    schema = values.pop("schema", None) if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise TableError(f"the table's schema must be `{SCHEMA}`, but got {schema!r}; export it with this version.")
    digest = values.pop("digest", None)
    try:
        table = from_json(TunedTable, values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if not where:
            raise TableError(f"the table is wrong: {first['msg'].removeprefix('Value error, ')}") from error
        raise TableError(f"the table's field `{where}` is wrong: {first['msg'].lower()}.") from error
    if digest != table.digest:
        raise TableError("the table's digest does not match its content; it was changed or cut. Export it again.")
    return table


def read_table(path: str | Path) -> TunedTable:
    """Read a table from a JSON file.

    Raises:
        TableError: If the file cannot be read, or as for `parse_table`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"cannot read the table `{path}`: {error}.") from error
    return parse_table(text)


def _content(table: TunedTable) -> dict[str, Any]:
    content: dict[str, Any] = to_json(table)
    return content


def _digest(content: dict[str, Any]) -> str:
    timeless = {**content, "provenance": {**content["provenance"], "times": {}, "git_commit": None}}
    canonical = json.dumps(timeless, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()

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
    Distrusting,
    Goal,
    Kernel,
    Parameter,
    Policy,
    Provenance,
    Strict,
    StudyHistory,
    TunedEntry,
    WorkloadInfo,
    from_json,
    is_screening,
    to_json,
    trusting_of,
)
from nercc_tune.spec import StudySpec
from nercc_tune.text.one_line import one_line, show
from nercc_tune.text.units import NANOSECONDS

_MOST_WORKERS = 10**6  # a code of more would not fit in memory

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
            raise ValueError(f"`entries` must be at least one, ascending in `stragglers`, but got {show(counts)}.")

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

    @property
    def moments(self) -> tuple[str, ...]:
        """The digests of the moments that calibrated codes of the table need, each once."""
        digests = (self.policy.moments, *(entry.moments for entry in self.entries))
        return tuple(dict.fromkeys(digest for digest in digests if digest is not None))

    @property
    def networks(self) -> tuple[str, ...]:
        """The digests of the networks that trained codes of the table need, each once."""
        digests = (self.policy.networks, *(entry.networks for entry in self.entries))
        return tuple(dict.fromkeys(digest for digest in digests if digest is not None))

    @property
    def typical(self) -> tuple[str, ...]:
        """The digests of what answers look like to codes of the table that look at it, each once."""
        digests = (self.policy.typical, *(entry.typical for entry in self.entries))
        return tuple(dict.fromkeys(digest for digest in digests if digest is not None))

    @property
    def wait(self) -> str:
        """What a column of waiting times is called, with their unit where the study names it."""
        unit = self.straggling.get("unit")
        return f"wait, {unit}" if isinstance(unit, str) and unit in NANOSECONDS else "wait"

    def entry(self, stragglers: int) -> TunedEntry:
        """Return the entry for a straggler count, which may lie within a range.

        Raises:
            TableError: If the table has none for it.
        """
        for entry in self.entries:
            if entry.fewest <= stragglers <= entry.stragglers:
                return entry
        spans = ((entry.fewest, entry.stragglers) for entry in self.entries)
        known = one_line(", ".join(str(most) if fewest == most else f"{fewest} to {most}" for fewest, most in spans))
        raise TableError(f"`stragglers` must be one of the table's counts {known}, but got {stragglers}.")

    def to_json(self) -> str:
        """Return the table as JSON text, schema and digest included."""
        return (
            json.dumps({"schema": SCHEMA, "digest": self.digest, **_content(self)}, indent=2, ensure_ascii=False) + "\n"
        )


def parse_table(text: str) -> TunedTable:
    """Read a table from JSON text.

    Raises:
        TableError: If the text is not JSON, of another schema, lacks a field, does not match its digest, or asks for a
            code that cannot be.
    """
    try:
        values = json.loads(text, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
        raise TableError(
            f"the table is not JSON ({one_line(error)}); export it again with `nercc-tune export`."
        ) from error
    schema = values.pop("schema", None) if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise TableError(f"the table's schema must be `{SCHEMA}`, but got {show(schema)}; export it with this version.")
    digest = values.pop("digest", None)
    try:
        table = from_json(TunedTable, values)
        json.dumps(table.straggling, ensure_ascii=False, allow_nan=False).encode()
        expected = table.digest
    except ValidationError as error:
        raise TableError(_first_problem(error)) from error
    except (ValueError, RecursionError) as error:  # in `straggling`, which may hold anything: NaN, half a letter
        raise TableError(f"the table's field `straggling` is wrong: {one_line(error)}.") from error
    if digest != expected:
        raise TableError("the table's digest does not match its content; it was changed or cut. Export it again.")
    _check_codes(table)
    return table


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that is there twice, of which another reader may take the other value."""
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key `{one_line(twin)}` is there more than once")
    return values


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = one_line(".".join(str(part) for part in first["loc"]))
    message = one_line(first["msg"].removeprefix("Value error, ")).removesuffix(".")
    return f"the table's field `{where}` is wrong: {message.lower()}." if where else f"the table is wrong: {message}."


def read_table(path: str | Path) -> TunedTable:
    """Read a table from a JSON file.

    Raises:
        TableError: If the file cannot be read, or as for `parse_table`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TableError(f"cannot read the table `{one_line(path)}`: {one_line(error)}.") from error
    return parse_table(text)


def _check_codes(table: TunedTable) -> None:
    """Refuse sizes, counts and λ that no code can have, over which a serving system would stumble later."""
    sizes = {(entry.queries, entry.workers) for entry in table.entries}
    if len(sizes) > 1 or not all(2 <= queries <= workers <= _MOST_WORKERS for queries, workers in sizes):
        raise TableError(
            f"the table's entries must have one `queries` and one `workers`, "
            f"`2 <= queries <= workers <= {_MOST_WORKERS}`, but got {show(sorted(sizes))}."
        )
    if not all(0 <= entry.fewest <= entry.stragglers < entry.workers for entry in table.entries):
        raise TableError("the table is wrong: `0 <= fewest <= stragglers < workers` must hold for each entry.")
    policy = table.policy
    lambdas = [value for entry in table.entries for value in (entry.lambda_enc, entry.lambda_dec)]
    lambdas += [policy.lambda_enc, policy.single.lambda_enc, policy.single.lambda_dec]
    lambdas += [entry.lambda_dec for entry in policy.entries]
    if not min(lambdas) >= 0:
        raise TableError(f"the table is wrong: each λ must be at least 0, but got {min(lambdas)}.")
    coded = [(entry.design, entry.parameter, entry.moments, entry.networks) for entry in table.entries]
    coded += [(policy.design, entry.parameter, policy.moments, policy.networks) for entry in policy.entries]
    if not all(_is_whole(*each) for each in coded):
        raise TableError(
            "the table is wrong: the decoders `kriging` and `calibrated` have a `kernel`, the latter `moments`, and "
            "trained codes `networks` and no `distrust`."
        )
    screening = [(is_screening(entry.parameter), entry.typical) for entry in table.entries]
    screening.append((any(is_screening(entry.parameter) for entry in policy.entries), policy.typical))
    if not all(is_needed == bool(digest) for is_needed, digest in screening):
        raise TableError(
            "the table is wrong: entries and policy have `typical` where a `distrust` of theirs has it, and only there."
        )
    counts = [entry.stragglers for entry in policy.entries]
    if not counts or len(set(counts)) < len(counts) or not {entry.stragglers for entry in table.entries} >= set(counts):
        raise TableError("the table is wrong: `policy.entries` must be for counts of `entries`, each once.")


def _is_whole(design: Design, parameter: Parameter, moments: str | None, networks: str | None) -> bool:
    is_kriging, is_trained = design.decoder in ("kriging", "calibrated"), design.decoder in ("subtraction", "network")
    return (
        is_kriging == isinstance(trusting_of(parameter), Kernel)
        and not (is_trained and isinstance(parameter, Distrusting))
        and (design.decoder == "calibrated") == bool(moments)
        and is_trained == bool(networks) == (design.training is not None)
    )


def _content(table: TunedTable) -> dict[str, Any]:
    content: dict[str, Any] = to_json(table)
    return content


def _digest(content: dict[str, Any]) -> str:
    timeless = {**content, "provenance": {**content["provenance"], "times": {}, "git_commit": None}}
    canonical = json.dumps(timeless, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()

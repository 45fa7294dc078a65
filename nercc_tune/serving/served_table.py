"""From a table to the code that a serving system runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import SupportsIndex

from nercc_tune.coding import BASELINE_CODES, DOMAIN, GroupCode, Moments, Placement
from nercc_tune.errors import TableError
from nercc_tune.export.moments import moments_path, read_moments
from nercc_tune.export.table import TunedTable, read_table
from nercc_tune.records import Design, Parameter
from nercc_tune.serving.served_code import ServedCode
from nercc_tune.text.one_line import one_line, show

_UNKNOWN_DESIGN = "the table needs a design that this version does not have: {}"


@dataclass(frozen=True)
class ServedTable:
    """A table, read as codes.

    Attributes:
        moments: What the calibrated codes of the table decode with, by digest.

    Example:
        ```python
        code = nercc_tune.load_table("table.json").policy()
        group = code.on(queries)                      # orders the K queries; the order travels with the group
        coded = group.encode(queries)                 # [K, …] -> [N, …], one for each worker
        estimates = group.decode(answers, arrived)    # [F, c] of the workers `arrived` -> [K, c], as they came
        ```
    """

    table: TunedTable
    moments: Mapping[str, Moments] = field(default_factory=dict)

    def code(self, *, stragglers: int | None = None, arrived: int | None = None) -> ServedCode:
        """Return the code tuned for a number of stragglers, or the policy's code for a number of answers.

        The policy has one encoder for all numbers, so that `arrived` need not be known when the queries are sent. A
        count between the table's takes the λ_dec or kernel of the next larger straggler count, which smooths more.

        Raises:
            TableError: If the table has no entry for the count, fewer workers arrived than it was tuned for, or its
                nodes are not what this version makes of them.
            ValueError: If not exactly one of `stragglers` and `arrived` is given, or it is no whole number.
        """
        if (stragglers is None) == (arrived is None):
            raise ValueError("exactly one of `stragglers` and `arrived` must be given.")
        policy = self.table.policy
        if arrived is not None:
            parameter = self._parameter(_whole("arrived", arrived))
            return self._served(policy.design, policy.lambda_enc, parameter, policy.moments)
        entry = self.table.entry(_whole("stragglers", stragglers))
        return self._served(entry.design, entry.lambda_enc, entry.parameter, entry.moments)

    def policy(self) -> ServedCode:
        """Return the policy's code, which picks its λ_dec or kernel by the number of answers when it decodes.

        Raises:
            TableError: As for `code`; from `decode` if fewer workers arrived than the table was tuned for.
        """
        policy = self.table.policy
        return self._served(policy.design, policy.lambda_enc, self._parameter, policy.moments)

    def baseline(self, name: str) -> GroupCode:
        """Return a baseline of the table as a code, for where it is better: `bacc`, `nercc_ag`, `replication`.

        Raises:
            TableError: If there is no such baseline, or its design is not of this version.
        """
        if name not in BASELINE_CODES:
            raise TableError(f"`name` must be one of {', '.join(BASELINE_CODES)}, but got {name!r}.")
        entry = self.table.entries[0]
        try:
            placement = Placement.of(self.table.reference)
            return GroupCode(BASELINE_CODES[name], queries=entry.queries, workers=entry.workers, placement=placement)
        except ValueError as error:
            raise TableError(_UNKNOWN_DESIGN.format(one_line(error))) from error

    def _parameter(self, arrived: int) -> Parameter:
        entry = self.table.entries[0]
        stragglers = entry.workers - arrived
        fitting = [item for item in self.table.policy.entries if item.stragglers >= stragglers]
        if stragglers < 0 or not fitting:
            most = max(item.stragglers for item in self.table.policy.entries)
            raise TableError(
                f"`arrived` must be from {entry.workers - most} to {entry.workers} workers, but got {arrived}."
            )
        return min(fitting, key=lambda item: item.stragglers).parameter

    def _served(
        self,
        design: Design,
        lambda_enc: float,
        parameter: Parameter | Callable[[int], Parameter],
        moments: str | None,
    ) -> ServedCode:
        entry = self.table.entries[0]
        if entry.domain != DOMAIN:
            raise TableError(
                f"the table's λ are for nodes in {entry.domain}, and this version places them in {DOMAIN}."
            )
        if moments is not None and moments not in self.moments:
            raise TableError("the table's moments were not read with it; load it with `nercc_tune.load_table`.")
        try:
            return ServedCode(
                design,
                queries=entry.queries,
                workers=entry.workers,
                lambda_enc=lambda_enc,
                parameter=parameter,
                moments=self.moments[moments] if moments is not None else None,
            )
        except ValueError as error:
            raise TableError(_UNKNOWN_DESIGN.format(one_line(error))) from error


def _whole(name: str, count: object) -> int:
    """Return a count as it comes out of a configuration, an array or a data frame: 8, "8", 8.0."""
    if isinstance(count, str) and count.strip().isdecimal():
        return int(count)
    if isinstance(count, SupportsIndex) and not isinstance(count, bool):
        return index(count)
    if isinstance(count, float) and count.is_integer():
        return int(count)
    raise ValueError(f"`{name}` must be a whole number, but got {show(count)}.")


def load_table(path: str | Path) -> ServedTable:
    """Load a JSON table that `nercc-tune export` wrote, and where it has calibrated decoders the moments beside it.

    Raises:
        TableError: If a file cannot be read, has another schema, lacks a field or does not match its digest.
    """
    return serve(read_table(path), beside=path)


def serve(table: TunedTable, *, beside: str | Path) -> ServedTable:
    """Return a table as codes, with the moments that lie beside a file, if it has calibrated decoders.

    Raises:
        TableError: If it has, and the moments cannot be read or are not those of the table.
    """
    return ServedTable(table, read_moments(moments_path(beside), table))

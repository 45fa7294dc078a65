"""From a table to the code that a serving system runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nercc_tune.coding import DOMAIN, NerccCode, node_set
from nercc_tune.errors import TableError
from nercc_tune.export.table import TunedTable, read_table


@dataclass(frozen=True)
class ServedTable:
    """A table, read as codes.

    Example:
        ```python
        code = nercc_tune.load_table("table.json").code(stragglers=40)
        coded = code.encode(queries)                 # [K, …] -> [N, …], one for each worker
        estimates = code.decode(answers, arrived)    # [F, c] of the workers `arrived` -> [K, c]
        ```
    """

    table: TunedTable

    def code(self, *, stragglers: int) -> NerccCode:
        """Return the code tuned for a straggler count; encoder and decoder both fit it.

        Raises:
            TableError: If the table has no entry for the count, or its nodes are not what this version makes of them.
        """
        entry = self.table.entry(stragglers)
        if entry.domain != DOMAIN:
            raise TableError(
                f"the table's λ are for nodes in {entry.domain}, and this version places them in {DOMAIN}."
            )
        try:
            nodes = node_set(entry.nodes, queries=entry.queries, workers=entry.workers)
        except ValueError as error:
            raise TableError(f"the table needs nodes that this version does not have: {error}") from error
        return NerccCode(nodes, lambda_enc=entry.lambda_enc, lambda_dec=entry.lambda_dec)

    def policy_code(self, *, arrived: int) -> NerccCode:
        """Return the policy's code for a number of arrived workers: the same encoder for all, the decoder for these.

        A count between the table's takes the decoder of the next larger straggler count, which smooths more.

        Raises:
            TableError: If fewer workers arrived than the table was tuned for.
        """
        entry = self.table.entries[0]
        stragglers = entry.workers - arrived
        fitting = [item for item in self.table.policy.entries if item.stragglers >= stragglers]
        if stragglers < 0 or not fitting:
            most = max(item.stragglers for item in self.table.policy.entries)
            raise TableError(
                f"`arrived` must be from {entry.workers - most} to {entry.workers} workers, but got {arrived}."
            )
        chosen = min(fitting, key=lambda item: item.stragglers)
        nodes = self.code(stragglers=entry.stragglers).nodes
        return NerccCode(nodes, lambda_enc=self.table.policy.lambda_enc, lambda_dec=chosen.lambda_dec)


def load_table(path: str | Path) -> ServedTable:
    """Load a JSON table that `nercc-tune export` wrote.

    Raises:
        TableError: If the file cannot be read, has another schema, lacks a field or does not match its digest.
    """
    return ServedTable(read_table(path))

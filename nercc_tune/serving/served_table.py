"""From a table to the code that a serving system runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import SupportsIndex, TypeVar

from torch import nn

from nercc_tune.coding import BASELINE_CODES, DOMAIN, AbsentNetwork, GroupCode, Placement, TrainedCode
from nercc_tune.errors import TableError, WorkloadError
from nercc_tune.export.attachments import Attachments, read_attachments
from nercc_tune.export.table import TunedTable, read_table
from nercc_tune.records import Policy, TunedEntry
from nercc_tune.serving.by_answers import ByAnswers, Setting
from nercc_tune.serving.served_code import ServedCode
from nercc_tune.serving.suspicions import Suspicions
from nercc_tune.text.one_line import one_line, show

_Attached = TypeVar("_Attached")

_LEAST_FALSE_ALARMS = 1e-3

_UNKNOWN_DESIGN = "the table needs a design that this version does not have: {}"


@dataclass(frozen=True)
class ServedTable:
    """A table, read as codes.

    Attributes:
        attachments: What the codes of the table need beside it.
        model: The model that is served, whose architecture parity networks have, where its name does not tell it.

    Example:
        ```python
        code = nercc_tune.load_table("table.json").policy()
        group = code.on(queries)                      # orders the K queries; the order travels with the group
        coded = group.encode(queries)                 # [K, …] -> [N, …], one for each worker
        estimates = group.decode(answers, arrived)    # [F, c] of the workers `arrived` -> [K, c], as they came
        ```
    """

    table: TunedTable
    attachments: Attachments = field(default_factory=Attachments)
    model: nn.Module | None = None

    def code(self, *, stragglers: int | None = None, arrived: int | None = None) -> ServedCode | TrainedCode:
        """Return the code tuned for a number of stragglers, or the policy's code for a number of answers.

        The policy has one encoder for all numbers, so that `arrived` need not be known when the queries are sent. A
        count between the table's takes the λ_dec or kernel of the next larger straggler count, which smooths more. A
        policy that distrusts answers reads as many fewer as it may distrust, since those with a NaN count as late.

        Raises:
            TableError: If the table has no entry for the count, fewer workers arrived than it was tuned for, or its
                nodes are not what this version makes of them.
            ValueError: If not exactly one of `stragglers` and `arrived` is given, or it is no whole number.
        """
        if (stragglers is None) == (arrived is None):
            raise ValueError("exactly one of `stragglers` and `arrived` must be given.")
        policy = self.table.policy
        if arrived is not None:
            return self._served(policy, self._by_answers(_whole("arrived", arrived)))
        entry = self.table.entry(_whole("stragglers", stragglers))
        return self._served(entry, entry.parameter)

    def policy(self) -> ServedCode | TrainedCode:
        """Return the policy's code, which picks its λ_dec or kernel and its distrust by the number of answers.

        Raises:
            TableError: As for `code`; from `decode` if fewer workers arrived than the table was tuned for.
        """
        return self._served(self.table.policy, self._by_answers)

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

    def suspicions(self, *, stragglers: int | None = None, gap: float = 1_000_000, faulty: float = 0.1) -> Suspicions:
        """Return the count of suspicions for a code of the table, with the false alarms that were measured for it.

        They are those on the held-out draws, averaged over workers and masks; for the policy, whose own are not
        measured, the most of any entry.
        At least 1 in 1000 is reckoned with: no smaller share can be told from the few hundred groups of a study, nor
        relied on elsewhere, and a worker that is always distrusted is found after 3 groups all the same. Where some
        workers are accused more often than others, as at the ends of the nodes, or live queries differ from held-out
        ones, make `Suspicions` with a larger share.

        Args:
            stragglers: Of the code, as for `code`; None for the policy.
            gap: As of `Suspicions`.
            faulty: As of `Suspicions`.

        Raises:
            TableError: If nothing was measured, since the study had no wrong answers, or the table has no such entry.
            ValueError: If `faulty` is not more than the false alarms, or as for `Suspicions`.
        """
        entries = self.table.entries if stragglers is None else (self.table.entry(_whole("stragglers", stragglers)),)
        shares = [entry.wrong_answers.false_alarms for entry in entries if entry.wrong_answers is not None]
        if not shares:
            raise TableError(
                "the table has no share of false alarms, since its study had no wrong answers; "
                "give one to `nercc_tune.Suspicions`."
            )
        share = max(*shares, _LEAST_FALSE_ALARMS)
        return Suspicions(entries[0].workers, false_alarms=share, gap=gap, faulty=faulty)

    @property
    def _by_answers(self) -> ByAnswers:
        return ByAnswers(policy=self.table.policy, workers=self.table.entries[0].workers)

    def _served(self, chosen: TunedEntry | Policy, parameter: Setting) -> ServedCode | TrainedCode:
        entry = self.table.entries[0]
        if chosen.networks is not None:
            return _read_with(self.attachments.networks, chosen.networks, "networks").code(self._network)
        if entry.domain != DOMAIN:
            raise TableError(
                f"the table's λ are for nodes in {entry.domain}, and this version places them in {DOMAIN}."
            )
        moments, typical = chosen.moments, chosen.typical
        try:
            return ServedCode(
                chosen.design,
                queries=entry.queries,
                workers=entry.workers,
                lambda_enc=chosen.lambda_enc,
                parameter=parameter,
                moments=None if moments is None else _read_with(self.attachments.moments, moments, "moments"),
                typical=None if typical is None else _read_with(self.attachments.typical, typical, "typical answers"),
            )
        except ValueError as error:
            raise TableError(_UNKNOWN_DESIGN.format(one_line(error))) from error

    def _network(self, name: str, outputs: int) -> nn.Module:
        """Return a network of a model's architecture, or what says that it is not known."""
        if self.model is not None:
            return copy.deepcopy(self.model).cpu().float()
        from nercc_tune.workloads.architectures import build_architecture  # noqa: PLC0415 - networks alone need it

        try:
            return build_architecture(name, outputs)
        except WorkloadError as error:
            return AbsentNetwork(str(error))


def _read_with(attached: Mapping[str, _Attached], digest: str, kind: str) -> _Attached:
    """Return what a code of the table needs."""
    if digest not in attached:
        raise TableError(f"the table's {kind} were not read with it; load it with `nercc_tune.load_table`.")
    return attached[digest]


def _whole(name: str, count: object) -> int:
    """Return a count as it comes out of a configuration, an array or a data frame: 8, "8", 8.0."""
    if isinstance(count, str) and count.strip().isdecimal():
        return int(count)
    if isinstance(count, SupportsIndex) and not isinstance(count, bool):
        return index(count)
    if isinstance(count, float) and count.is_integer():
        return int(count)
    raise ValueError(f"`{name}` must be a whole number, but got {show(count)}.")


def load_table(path: str | Path, *, model: nn.Module | None = None) -> ServedTable:
    """Load a JSON table that `nercc-tune export` wrote, and the files that lie beside it.

    Args:
        path: The table's file.
        model: The model that is served; needed to run the networks of parity workers where their architecture is that
            of a model which is neither registered nor timm's.

    Raises:
        TableError: If a file cannot be read, has another schema, lacks a field or does not match its digest.
    """
    table = read_table(path)
    return ServedTable(table, read_attachments(table, beside=path), model)

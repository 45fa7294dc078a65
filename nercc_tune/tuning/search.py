"""One search worker: it takes a proposal, evaluates it for every cell on one forward pass, and takes the next."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optuna.exceptions import UpdateFinishedTrialError

from nercc_tune.records import TrialRecord, from_json, to_json
from nercc_tune.records.timings import Timings
from nercc_tune.tuning.cell_study import SupersededError
from nercc_tune.tuning.ledger import Lease, Ledger
from nercc_tune.tuning.patience import STORAGE_FAILURES, Patience
from nercc_tune.tuning.progress import Progress
from nercc_tune.tuning.proposals import Proposal, Proposals
from nercc_tune.tuning.pruning import Pruned, Pruning
from nercc_tune.tuning.recording import Recorder

if TYPE_CHECKING:  # reading a study needs no torch
    from nercc_tune.inference import CellEvaluator

# A proposal that kills its worker again and again is given up; 20 leave room for deaths of other causes.
_DEATHS_AT_MOST = 20
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0


@dataclass(kw_only=True, eq=False)
class Search:
    """Searches all cells of a study together, beside any number of other workers.

    A proposal is evaluated for every cell: with the cell's own best reading and λ_dec under strategy `profile`, with
    the proposed ones under `joint`. Each step may be repeated, wherever it was interrupted and by whomever: a lease
    makes repetition rare, and the trials of the cells make it harmless.

    Attributes:
        evaluators: By straggler count.
        sweep_s: Seconds between two looks for proposals of dead workers.
    """

    progress: Progress
    evaluators: Mapping[int, CellEvaluator]
    timings: Timings
    patience: Patience
    sweep_s: float
    _swept: float = field(default=float("-inf"))

    def run(self) -> int:
        """Search until the budget is used or nothing improves any more; return how many proposals the study has.

        What the storage holds is not done again; a proposal that reached only some cells is completed.

        Raises:
            StorageError: If the storage fails for longer than it is tried again.
        """
        with self.timings.measure("storage"):
            self.patience(self.progress.refresh)
        with self.ledger.beating():
            idle = _SHORTEST_PAUSE_S
            while not self._is_over():
                lease = self._take()
                if lease is not None:
                    self._work(lease)
                    idle = _SHORTEST_PAUSE_S
                else:
                    time.sleep(idle)
                    idle = min(2 * idle, _LONGEST_PAUSE_S)
                    self._look_around(is_idle=True)
        return self.progress.done

    @property
    def ledger(self) -> Ledger:
        """The leases of the study's proposals."""
        return self.progress.ledger

    @property
    def proposals(self) -> Proposals:
        """What is proposed."""
        return self.progress.proposals

    def _is_over(self) -> bool:
        self._look_around()
        with self.timings.measure("storage"):
            return self.patience(lambda: self.progress.is_over)

    def _look_around(self, *, is_idle: bool = False) -> None:
        """See what other workers did, and now and then whether one of them died."""

        def look() -> None:
            self._sweep(is_due=is_idle)
            if any(self.progress.lacking(proposal) for proposal in self.ledger.finished()):
                self.progress.refresh()

        with self.timings.measure("storage"):
            self.patience(look)

    def _sweep(self, *, is_due: bool = False) -> None:
        """Free the proposals of the dead, every `sweep_s` seconds where it is not due anyway."""
        if is_due or time.monotonic() - self._swept >= self.sweep_s:
            self.ledger.sweep()
            self._swept = time.monotonic()

    def _take(self) -> Lease | None:
        budget, may_begin = self.proposals.budget, not self.progress.is_exhausted
        with self.timings.measure("storage"):
            return self.patience(lambda: self.ledger.take(budget=budget, may_begin=may_begin))

    def _work(self, lease: Lease) -> None:
        """Bring a leased proposal to every cell, or give it back."""
        try:
            self.patience(lambda: self._bring(lease))
        except BaseException:
            with suppress(*STORAGE_FAILURES):  # then the lease goes stale, and its next holder fails what runs
                for study in self.proposals.studies.values():
                    study.give_up(lease.proposal)
                self.ledger.release(lease)
            raise

    def _bring(self, lease: Lease) -> None:
        if lease.is_inherited:
            self.progress.refresh()
        while lacking := self.progress.lacking(lease.proposal):
            try:
                self._evaluate(lease, lacking)
            except (SupersededError, UpdateFinishedTrialError):  # the latter where its trial was failed midway
                self.progress.refresh()
                if not self.ledger.holds(lease):
                    return
        with self.timings.measure("storage"):
            self.ledger.finish(lease)

    def _evaluate(self, lease: Lease, lacking: list[int]) -> None:
        first = self.progress.first_of(lease.proposal)
        planned = from_json(Proposal, lease.plan) if lease.plan is not None else None
        if planned is not None and lease.deaths >= _DEATHS_AT_MOST:
            reason = f"{lease.deaths} workers died while they ran it; the memory may not suffice."
            for stragglers in lacking:
                self._write(stragglers, self._recorder.failed(stragglers, planned, reason))
        elif first is not None:
            proposal = self.proposals.of_record(first)
            self._settle(lease, proposal)
            self._add(lacking, proposal, pruned=Pruned.of(first))
        elif lease.proposal < self.proposals.given:
            proposal = self.proposals.by_design(lease.proposal)
            self._settle(lease, proposal)
            self._add(lacking, proposal, pruned=None)
        else:
            self._ask(lease, planned)

    def _ask(self, lease: Lease, planned: Proposal | None) -> None:
        """Evaluate what the sampler of the cell whose turn it is proposes, first for that cell, then for the others."""
        with self.timings.measure("sampling"):
            sampled = self.proposals.sample(lease.proposal, planned=planned)
        proposal, owner = sampled.proposal, sampled.proposal.proposed_for
        study = self.proposals.studies[owner]
        try:
            self._settle(lease, proposal)
            evaluator = self.evaluators[owner]
            pruned = self._pruning.prune(sampled.trial, evaluator, proposal.encoding, proposal.readings)
            if pruned:
                record = self._recorder.pruned(owner, proposal, pruned)
            else:
                record = self._recorder.evaluated(owner, proposal)
            with self.timings.measure("storage"):
                self.proposals.give_rest(sampled, record)
                self.progress.keep(owner, study.tell(sampled.trial, record))
        except BaseException:
            with suppress(*STORAGE_FAILURES):  # then whoever takes the proposal over fails it
                study.abandon(sampled.trial)
            raise
        self._add(self.progress.lacking(lease.proposal), proposal, pruned=pruned)

    def _settle(self, lease: Lease, proposal: Proposal) -> None:
        """Write down what will be run, and wait while another worker runs the same encoder: its outputs serve both."""
        with self.timings.measure("storage"):
            if not self.ledger.note_plan(lease, to_json(proposal)):
                raise SupersededError
        pause = _SHORTEST_PAUSE_S
        while self._is_run_elsewhere(lease, proposal):
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            self._sweep()

    def _is_run_elsewhere(self, lease: Lease, proposal: Proposal) -> bool:
        """Whether a worker that was earlier runs the same encoder, or has not said yet what it runs."""
        with self.timings.measure("storage"):
            plans = self.ledger.plans_before(lease)
        return any(plan is None or from_json(Proposal, plan).encoding == proposal.encoding for plan in plans)

    def _add(self, cells: Sequence[int], proposal: Proposal, *, pruned: Pruned | None) -> None:
        for stragglers in cells:
            if pruned is not None:
                self._write(stragglers, self._recorder.pruned(stragglers, proposal, pruned))
                continue
            record = self._recorder.evaluated(stragglers, proposal)
            values: Sequence[float] = ()
            if record.score is not None:
                values = self._pruning.block_values(self.evaluators[stragglers], proposal.encoding, proposal.readings)
            self._write(stragglers, record, values)

    def _write(self, stragglers: int, record: TrialRecord, block_values: Sequence[float] = ()) -> None:
        with self.timings.measure("storage"):
            added = self.proposals.studies[stragglers].add(record, block_values=block_values)
            self.progress.keep(stragglers, added)

    @property
    def _recorder(self) -> Recorder:
        return Recorder(proposals=self.proposals, evaluators=self.evaluators)

    @property
    def _pruning(self) -> Pruning:
        return Pruning(spec=self.proposals.spec, timings=self.timings)

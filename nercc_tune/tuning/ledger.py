"""Which proposal is whose: every proposal of a study is leased to one search worker at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from nercc_tune.errors import HomeError
from nercc_tune.tuning.holder import Holder
from nercc_tune.tuning.leases import Leases, deaths_of, last_holder, origin_of
from nercc_tune.tuning.patience import STORAGE_FAILURES

STUDY = "nercc_tune.ledger"
_PLAN = "nercc_tune.plan"
_ROLE = "nercc_tune.role"
_LAUNCH = "launch"

_LIVE = (TrialState.RUNNING, TrialState.WAITING, TrialState.COMPLETE)
_UNSETTLED = (TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A proposal that was given to a search worker.

    Attributes:
        deaths: How many workers died of it, or with it.
        plan: What an earlier holder was about to evaluate, else None.
    """

    trial: FrozenTrial
    trial_id: int
    proposal: int
    deaths: int
    plan: Mapping[str, Any] | None

    @property
    def number(self) -> int:
        """Number among all leases."""
        return self.trial.number

    @property
    def is_inherited(self) -> bool:
        """Whether another process held the proposal before."""
        return origin_of(self.trial) != self.number

    @property
    def state(self) -> TrialState:
        """Waiting, running, complete when every cell has the proposal, or failed."""
        return self.trial.state


class Ledger:
    """The leases of a study's proposals, in an Optuna study of its own beside those of the cells.

    A lease's proposal is its rank among those that stand in no other's place. Optuna numbers trials without gaps or
    repetition, so each proposal is given once, and the lease that replaces a dead one keeps its proposal. Another
    lease of the same study stands for the launch, of which there is one at a time.
    """

    def __init__(self, storage: RDBStorage, study: str) -> None:
        self._leases = Leases(storage, ledger_name(study), attributes={STUDY: study})
        self._study = study
        self._seen: list[Lease] = []
        self._launch: int | None = None

    def take(self, *, budget: int, may_begin: bool) -> Lease | None:
        """Lease the first proposal that waits for a new holder, else the next one; None if there is none to take.

        Args:
            budget: Proposals there may be in all.
            may_begin: Whether one may be begun that nobody had before.
        """
        leases = self._seen or self._read()
        if _waiting(leases, budget) or _begun(leases) >= budget:
            lease = self._inherit(budget)
            if lease is not None:
                return lease
        if not may_begin or _begun(self._seen) >= budget:
            return None
        trial_id = self._leases.create({})
        with self._leases.kept(trial_id):
            mine = self._find(trial_id)
        if mine.proposal < budget:
            return mine
        self._leases.end(mine.trial_id, TrialState.FAIL)  # another worker was faster
        return None

    def note_plan(self, lease: Lease, plan: Mapping[str, Any]) -> bool:
        """Write down what is about to be evaluated, so that whoever may have to take over does the same."""
        return self._leases.note(lease.trial_id, _PLAN, dict(plan))

    def plans_before(self, lease: Lease) -> list[Mapping[str, Any] | None]:
        """Return what the holders of leases with smaller numbers evaluate; None for one that has not said it yet."""
        seen = self._seen or self._read()
        if not any(other.state in _UNSETTLED for other in seen if other.number < lease.number):
            return []  # and never again: what comes later has larger numbers
        return [
            other.plan for other in self._read() if other.state is TrialState.RUNNING and other.number < lease.number
        ]

    def holds(self, lease: Lease) -> bool:
        """Whether a lease is still held, and was not taken away from a holder that seemed dead."""
        return self._find(lease.trial_id).state is TrialState.RUNNING

    def finish(self, lease: Lease) -> None:
        """End a lease whose proposal every cell has."""
        self._leases.end(lease.trial_id, TrialState.COMPLETE)

    def release(self, lease: Lease) -> None:
        """Give a lease back unfinished, for whoever comes next."""
        if self._leases.end(lease.trial_id, TrialState.FAIL):
            self._leases.renew(self._find(lease.trial_id).trial, is_death=False)

    def sweep(self) -> None:
        """Let the proposals of dead workers wait for new ones."""
        self._leases.sweep()
        self._seen = []

    def is_settled(self, *, budget: int) -> bool:
        """Whether nobody works on a proposal, and none waits for a worker."""
        leases = [lease for lease in self._read() if lease.proposal < budget]
        return not any(lease.state in _UNSETTLED for lease in leases) and not _lost(leases)

    def finished(self) -> set[int]:
        """Return the proposals that every cell has, as of the last look at the leases."""
        return {lease.proposal for lease in self._seen or self._read() if lease.state is TrialState.COMPLETE}

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Keep alive what this process holds."""
        with self._leases.beating():
            yield

    @contextmanager
    def conducted(self) -> Iterator[None]:
        """Hold the launch of the study.

        Raises:
            HomeError: If another process launches it.
        """
        self.sweep()
        try:
            self.keep_conducting()
            with self.beating():
                yield
        finally:
            if self._launch is not None:
                with suppress(*STORAGE_FAILURES):  # then it goes stale
                    self._leases.end(self._launch, TrialState.FAIL)

    def keep_conducting(self) -> None:
        """Hold the launch still, or again, if it was taken away from a process that seemed dead.

        Raises:
            HomeError: If another process launches the study meanwhile.
        """
        running = {trial._trial_id for trial in self._launches() if trial.state is TrialState.RUNNING}  # noqa: SLF001 - see nercc_tune.tuning.leases
        if self._launch not in running:
            self._launch = self._leases.create({_ROLE: _LAUNCH})
            self._refuse_second(self._launch)

    def conductor(self) -> Holder | None:
        """Return which process launches the study at present, or None."""
        self.sweep()
        running = [trial for trial in self._launches() if trial.state is TrialState.RUNNING]
        return last_holder(running[0]) if running else None

    def launched_by(self) -> Holder | None:
        """Return which process launched the study last."""
        holders = [last_holder(trial) for trial in self._launches()]
        return next((holder for holder in reversed(holders) if holder is not None), None)

    def _refuse_second(self, trial_id: int) -> None:
        for trial in self._launches():
            other = trial._trial_id  # noqa: SLF001 - see nercc_tune.tuning.leases
            if other == trial_id:
                return
            if trial.state is TrialState.RUNNING and not self._leases.made(trial):
                holder = last_holder(trial) or "another process"
                raise HomeError(
                    f"study `{self._study}` is being launched by {holder}; wait for it, or join it with "
                    f"`nercc-tune worker {self._study}`."
                )
            self._leases.end(other, TrialState.FAIL)

    def _launches(self) -> list[FrozenTrial]:
        return [trial for trial in self._leases.trials() if trial.user_attrs.get(_ROLE) == _LAUNCH]

    def _inherit(self, budget: int) -> Lease | None:
        """Take over the first proposal that waits, if there is one."""
        for lease in _lost(self._read()):  # its holder died between failing it and letting another wait
            if lease.proposal < budget:
                self._leases.renew(lease.trial, is_death=False)
        waiting = (lease for lease in self._read() if lease.state is TrialState.WAITING and lease.proposal < budget)
        return next((lease for lease in sorted(waiting, key=lambda lease: lease.proposal) if self._claim(lease)), None)

    def _claim(self, lease: Lease) -> bool:
        """Claim a lease that waits, unless an earlier one of the same proposal lives."""
        if not self._leases.claim(lease.trial):
            return False
        with self._leases.kept(lease.trial_id):
            others = [other for other in self._read() if other.proposal == lease.proposal]
        if any(other.state in _LIVE for other in others if other.number < lease.number):
            self._leases.end(lease.trial_id, TrialState.FAIL)
            return False
        return True

    def _find(self, trial_id: int) -> Lease:
        return next(lease for lease in self._read() if lease.trial_id == trial_id)

    def _read(self) -> list[Lease]:
        self._seen = read_leases(self._leases.trials())
        return self._seen


def ledger_name(study: str) -> str:
    """Return the name of a study's ledger among Optuna's studies."""
    return f"{study}/proposals"


def seems_launched(storage: RDBStorage, study: str) -> bool:
    """Whether a process launches a study, as far as can be seen without changing anything.

    One that died on another machine still counts, until somebody launches or joins the study.
    """
    if not any(found.study_name == ledger_name(study) for found in storage.get_all_studies()):
        return False
    leases = optuna.load_study(study_name=ledger_name(study), storage=storage)
    running = leases.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    holders = (last_holder(trial) for trial in running if trial.user_attrs.get(_ROLE) == _LAUNCH)
    return any(holder is None or not holder.is_gone for holder in holders)


def read_leases(trials: Sequence[FrozenTrial]) -> list[Lease]:
    """Return the leases of proposals, by number, from all trials of a ledger."""
    proposals: dict[int, int] = {}
    leases = []
    for trial in trials:
        if trial.user_attrs.get(_ROLE) == _LAUNCH:
            continue
        origin = origin_of(trial)
        if origin == trial.number:
            proposals[origin] = len(proposals)
        leases.append(
            Lease(
                trial=trial,
                trial_id=trial._trial_id,  # noqa: SLF001 - see nercc_tune.tuning.leases
                proposal=proposals[origin],
                deaths=deaths_of(trial),
                plan=trial.user_attrs.get(_PLAN),
            )
        )
    return leases


def _begun(leases: Sequence[Lease]) -> int:
    """Return how many proposals were begun."""
    return len({lease.proposal for lease in leases})


def _waiting(leases: Sequence[Lease], budget: int) -> bool:
    """Whether a proposal waits for another holder, or should."""
    waits = any(lease.state is TrialState.WAITING and lease.proposal < budget for lease in leases)
    return waits or any(lease.proposal < budget for lease in _lost(leases))


def _lost(leases: Sequence[Lease]) -> list[Lease]:
    """Return the last lease of each proposal all of whose leases failed."""
    last = {lease.proposal: lease for lease in leases}
    live = {lease.proposal for lease in leases if lease.state in _LIVE}
    return [lease for proposal, lease in last.items() if proposal not in live]

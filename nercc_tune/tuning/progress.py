"""How far a study has come, whoever works on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nercc_tune.records import TrialRecord
from nercc_tune.tuning.cell_study import CellStudy
from nercc_tune.tuning.ledger import Ledger
from nercc_tune.tuning.proposals import Proposals
from nercc_tune.tuning.stopping import proposals_without_improvement

OnTrial = Callable[[CellStudy, TrialRecord], None]


@dataclass(kw_only=True, eq=False)
class Progress:
    """The records of all cells, read again and again from the storage.

    Attributes:
        on_trial: Called with each record that appears after the first reading.
        on_proposal: Called with the number of proposals that all cells have, and the most there may be, if it changed.
        added: Records that appeared after the first reading.
    """

    proposals: Proposals
    ledger: Ledger
    on_trial: OnTrial = lambda _study, _record: None
    on_proposal: Callable[[int, int], None] = lambda _done, _budget: None
    added: int = 0
    _histories: dict[int, dict[int, TrialRecord]] = field(default_factory=dict)
    _told: int = 0

    def refresh(self) -> None:
        """Read what is new in the storage."""
        for stragglers, study in self.proposals.studies.items():
            is_first = stragglers not in self._histories
            history = self._histories.setdefault(stragglers, {})
            for record in study.records():
                if record.proposal not in history:
                    history[record.proposal] = record
                    if not is_first:
                        self._tell(study, record)
        self._count()

    def keep(self, stragglers: int, record: TrialRecord) -> None:
        """Add a record that this process has just written."""
        self._histories[stragglers][record.proposal] = record
        self._tell(self.proposals.studies[stragglers], record)
        self._count()

    def lacking(self, proposal: int) -> list[int]:
        """Return the straggler counts of the cells that do not have a proposal."""
        return [stragglers for stragglers, history in self._histories.items() if proposal not in history]

    def first_of(self, proposal: int) -> TrialRecord | None:
        """Return a proposal's record in the first cell that has it."""
        found = (history[proposal] for history in self._histories.values() if proposal in history)
        return next(found, None)

    @property
    def done(self) -> int:
        """How many proposals all cells have."""
        return len(set.intersection(*map(set, self._histories.values())))

    @property
    def is_exhausted(self) -> bool:
        """Whether so many proposals in a row improved no cell that no further one shall be begun.

        Proposals count in their order, up to the first that is not done.
        """
        search = self.proposals.spec.search
        has_no_end = search.sampler == "grid" or search.objective == "pareto"
        proposals = self._unbroken()
        if search.patience == 0 or has_no_end or proposals < self.proposals.given:
            return False
        before = [
            [history[proposal] for proposal in sorted(history) if proposal < proposals]
            for history in self._histories.values()
        ]
        latest = proposals_without_improvement(before, goal=search.goal, min_improvement=search.min_improvement)
        return latest >= search.patience

    @property
    def is_over(self) -> bool:
        """Whether the budget is used or nothing improves any more, and nobody works on a proposal."""
        budget = self.proposals.budget
        return (self.done >= budget or self.is_exhausted) and self.ledger.is_settled(budget=budget)

    def _unbroken(self) -> int:
        """Return how many proposals are done before the first that is not."""
        proposal = 0
        while not self.lacking(proposal):
            proposal += 1
        return proposal

    def _tell(self, study: CellStudy, record: TrialRecord) -> None:
        self.added += 1
        self.on_trial(study, record)

    def _count(self) -> None:
        if self.done != self._told:
            self._told = self.done
            self.on_proposal(self._told, self.proposals.budget)

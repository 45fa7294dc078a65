"""The codes that a group of queries may be sent with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nercc_tune.coding import BerrutCode, GroupCode, LinearCode, NerccCode, NodeSet, Placement
from nercc_tune.records import CODE_NAMES, Design, Policy, StudyHistory
from nercc_tune.spec import StudySpec

Smoothing = float | Callable[[int], float]


@dataclass(frozen=True, kw_only=True)
class SentCode:
    """A code with a name: BACC, or NeRCC with its two smoothing parameters.

    Attributes:
        title: What it is, for a reader.
        design: Ordering, nodes, assignment and decode space.
        lambda_enc: λ_enc; None for BACC, which has no smoothing.
        lambda_dec: λ_dec, or a function of the number of answers.
    """

    title: str
    design: Design
    lambda_enc: float | None = None
    lambda_dec: Smoothing = 0.0

    def for_groups(self, *, queries: int, workers: int) -> GroupCode:
        """Return what makes the code of each group.

        Raises:
            ValueError: As for `GroupCode`.
        """
        return GroupCode(self._build, queries=queries, workers=workers, placement=Placement.of(self.design))

    def _build(self, nodes: NodeSet) -> LinearCode:
        if self.lambda_enc is None:
            return BerrutCode(nodes)
        return NerccCode(nodes, lambda_enc=self.lambda_enc, lambda_dec=self.lambda_dec)


def codes_to_send(history: StudyHistory, stragglers: int) -> dict[str, SentCode]:
    """Return the codes to look at in a cell, by name: `tuned` and `policy` as far as there are any, `nercc_ag`, `bacc`.

    While a study is searched, `tuned` is the best trial so far. Beyond the counts that the policy was tuned for it goes
    on with the λ_dec of the largest.

    Raises:
        ValueError: If the study has no such cell.
    """
    cell = next((cell for cell in history.cells if cell.cell.stragglers == stragglers), None)
    if cell is None:
        known = ", ".join(str(cell.cell.stragglers) for cell in history.cells)
        raise ValueError(f"`stragglers` must be one of {known}, but got {stragglers}.")
    reference = StudySpec.model_validate(history.spec, strict=False).reference
    codes: dict[str, SentCode] = {}
    chosen = cell.entry or cell.best
    if chosen is not None:
        title = f"NeRCC tuned for {cell.cell.title}" if cell.entry else f"NeRCC, best so far for {cell.cell.title}"
        codes["tuned"] = SentCode(
            title=title, design=chosen.design, lambda_enc=chosen.lambda_enc, lambda_dec=chosen.lambda_dec
        )
    if history.policy is not None:
        codes["policy"] = SentCode(
            title="NeRCC, policy: λ_dec by the number of answers",
            design=history.policy.design,
            lambda_enc=history.policy.lambda_enc,
            lambda_dec=_by_answers(history.policy, cell.cell.workers),
        )
    codes["nercc_ag"] = SentCode(title=CODE_NAMES["nercc_ag"], design=reference, lambda_enc=0.0)
    codes["bacc"] = SentCode(title=CODE_NAMES["bacc"], design=reference)
    return codes


def _by_answers(policy: Policy, workers: int) -> Callable[[int], float]:
    entries = sorted(policy.entries, key=lambda entry: entry.stragglers)

    def lambda_dec(arrived: int) -> float:
        fitting = [entry for entry in entries if entry.stragglers >= workers - arrived]
        return (fitting or entries[-1:])[0].lambda_dec

    return lambda_dec

"""The codes that a group of queries may be sent with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nercc_tune.coding import BerrutCode, GroupCode, LinearCode, Moments, NodeSet, Placement, Typical
from nercc_tune.records import CODE_NAMES, Design, Parameter, StudyHistory, is_screening
from nercc_tune.serving.by_answers import ByAnswers, Setting
from nercc_tune.serving.served_code import ServedCode
from nercc_tune.spec import StudySpec

MomentsOf = Callable[[Design, float], Moments | None]
TypicalOf = Callable[[Design, float], Typical | None]


@dataclass(frozen=True, kw_only=True)
class SentCode:
    """A code with a name: BACC, or NeRCC with its two smoothing parameters.

    Attributes:
        title: What it is, for a reader.
        design: Ordering, nodes, assignment and decode space.
        lambda_enc: λ_enc; None for BACC, which has no smoothing.
        parameter: What the decoder is set to, λ_dec or a kernel, and how it distrusts; or all that by the number of
            answers.
        moments: What a calibrated decoder was calibrated to.
        typical: What right answers look like, for a distrust that looks at it.
    """

    title: str
    design: Design
    lambda_enc: float | None = None
    parameter: Setting = 0.0
    moments: Moments | None = None
    typical: Typical | None = None

    def for_groups(self, *, queries: int, workers: int) -> GroupCode:
        """Return what makes the code of each group.

        Raises:
            ValueError: As for `GroupCode`.
        """
        return GroupCode(self._build, queries=queries, workers=workers, placement=Placement.of(self.design))

    def _build(self, nodes: NodeSet) -> LinearCode:
        if self.lambda_enc is None:
            return BerrutCode(nodes)
        code = ServedCode(
            self.design,
            queries=nodes.queries,
            workers=nodes.workers,
            lambda_enc=self.lambda_enc,
            parameter=self.parameter,
            moments=self.moments,
            typical=self.typical,
        )
        return code.at_nodes(nodes)

    def parameter_for(self, arrived: int) -> Parameter:
        """Return what the decoder is set to for a number F of answers."""
        return self.parameter(arrived) if isinstance(self.parameter, ByAnswers) else self.parameter


def codes_to_send(
    history: StudyHistory,
    stragglers: int,
    *,
    moments_of: MomentsOf = lambda _design, _lambda_enc: None,
    typical_of: TypicalOf = lambda _design, _lambda_enc: None,
) -> dict[str, SentCode]:
    """Return the codes to look at in a cell, by name: `tuned` and `policy` as far as there are any, `nercc_ag`, `bacc`.

    While a study is searched, `tuned` is the best trial so far; a code whose networks are trained is not decoded here.
    Beyond the counts that the policy was tuned for it goes on with the λ_dec or kernel of the largest.

    Args:
        history: The study.
        stragglers: Of the cell.
        moments_of: Gives what a calibrated decoder was calibrated to.
        typical_of: Gives what right answers look like; asked only for a distrust that looks at it.

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
    if chosen is not None and chosen.design.training is None:
        title = f"NeRCC tuned for {cell.cell.title}" if cell.entry else f"NeRCC, best so far for {cell.cell.title}"
        codes["tuned"] = SentCode(
            title=title,
            design=chosen.design,
            lambda_enc=chosen.lambda_enc,
            parameter=chosen.parameter,
            moments=moments_of(chosen.design, chosen.lambda_enc),
            typical=typical_of(chosen.design, chosen.lambda_enc) if is_screening(chosen.parameter) else None,
        )
    policy = history.policy
    if policy is not None and policy.design.training is None:
        is_looking = any(is_screening(entry.parameter) for entry in policy.entries)
        codes["policy"] = SentCode(
            title="NeRCC, policy: decoded by the number of answers",
            design=policy.design,
            lambda_enc=policy.lambda_enc,
            parameter=ByAnswers(policy=policy, workers=cell.cell.workers, is_open=True),
            moments=moments_of(policy.design, policy.lambda_enc),
            typical=typical_of(policy.design, policy.lambda_enc) if is_looking else None,
        )
    codes["nercc_ag"] = SentCode(title=CODE_NAMES["nercc_ag"], design=reference, lambda_enc=0.0)
    codes["bacc"] = SentCode(title=CODE_NAMES["bacc"], design=reference)
    return codes

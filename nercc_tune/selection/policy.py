"""One encoder for all that may arrive: its choice, and what it is worth beside the best single pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nercc_tune.errors import OutputError
from nercc_tune.inference import Draws
from nercc_tune.inference.decoders.lambda_search import minimise_rank
from nercc_tune.records import (
    BASELINES,
    CellHistory,
    Design,
    Option,
    Parameter,
    Policy,
    PolicyEntry,
    SinglePair,
    StudyHistory,
    TrialRecord,
    decoded_fields,
)
from nercc_tune.selection.choice import PolicyCandidate, Rank, expected_rank, one_of_each, policy_candidates
from nercc_tune.selection.heldout import difference, expect
from nercc_tune.selection.judged import Judged
from nercc_tune.selection.judging import Judge
from nercc_tune.selection.replication import replication_design


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyChoice:
    """Chooses one encoder with a λ_dec for each straggler count, by the goal expected under the straggler model."""

    judge: Judge

    def policy(self, history: StudyHistory) -> Policy:
        """Choose the policy and the best single pair on the tuning and validation draws, and judge both held out.

        Raises:
            OutputError: If no encoder succeeded in every cell, or held-out outputs are not finite.
        """
        options = {cell.cell.stragglers: self._options(cell) for cell in history.cells}
        try:
            candidates = policy_candidates(history.cells, options)
        except ValueError as error:
            raise OutputError(
                "no proposal had finite outputs in every cell, so there is nothing to choose from."
            ) from error
        most = self.judge.spec.evaluation.candidates
        replication = (self._replication(),) if self.judge.spec.evaluation.replication else ()
        best = (*one_of_each(candidates, lambda item: item.design, most=most), *replication)
        fresh = [
            (self._rank(self.judge.validation, item.design, item.lambda_enc, item.parameters), item) for item in best
        ]
        rank, chosen = min(fresh, key=lambda item: item[0])
        single = self._single((*candidates, *replication), most=most)
        mine = self._judged(chosen.design, chosen.lambda_enc, chosen.parameters)
        its = self._judged(single[0], single[1], dict.fromkeys(chosen.parameters, single[2]))
        counts = list(self.judge.heldout.evaluators)
        others = {name: [self.judge.baseline(stragglers, name) for stragglers in counts] for name in BASELINES}
        return Policy(
            design=chosen.design,
            lambda_enc=chosen.lambda_enc,
            df_enc=self.judge.df_enc(chosen.design, chosen.lambda_enc),
            moments=self.judge.digest_of(chosen.design, chosen.lambda_enc),
            networks=self.judge.networks_of(chosen.design),
            typical=self.judge.typical_digest_of(chosen.design, chosen.lambda_enc, chosen.parameters.values()),
            entries=tuple(self._entry(chosen, s, judged) for s, judged in zip(chosen.parameters, mine, strict=True)),
            heldout=expect(mine),
            single=SinglePair(
                design=single[0],
                lambda_enc=single[1],
                **decoded_fields(single[2]),
                heldout=expect(its),
            ),
            minus_single=difference(mine, its, self.judge.goal.error),
            is_feasible=rank[0] == 0,
            baselines={name: expect(judged) for name, judged in others.items()},
            prob_mse_minus={name: difference(mine, judged, "prob_mse") for name, judged in others.items()},
        )

    def _options(self, cell: CellHistory) -> list[tuple[TrialRecord, Option]]:
        """Return the readings of every trial, each with its best λ_dec.

        Under strategy `joint` a trial's λ_dec is a proposal, not the best one, so it is minimised here; the answers
        are kept, and no forward pass is made.
        """
        spec, evaluator = self.judge.spec, self.judge.tuning.evaluators[cell.cell.stragglers]
        complete = [trial for trial in sorted(cell.trials, key=lambda trial: trial.proposal) if trial.is_complete]
        if spec.search.strategy == "profile":
            return [(trial, option) for trial in complete for option in trial.options]
        by_encoding = {trial.encoding: trial for trial in complete}
        return [
            (trial, option)
            for encoding, trial in by_encoding.items()
            for option in evaluator.best(encoding, spec.readings)
        ]

    def _replication(self) -> PolicyCandidate:
        """Return replication, which no trial has to find."""
        design, parameters = replication_design(self.judge.spec), self.judge.replications
        return PolicyCandidate(
            design=design,
            lambda_enc=0.0,
            parameters=parameters,
            expected=self._rank(self.judge.tuning, design, 0.0, parameters),
        )

    def _rank(self, draws: Draws, design: Design, lambda_enc: float, parameters: Mapping[int, Parameter]) -> Rank:
        scores = [
            (evaluator.cell.weight, evaluator.metrics(design, lambda_enc, parameters[stragglers]).score())
            for stragglers, evaluator in draws.evaluators.items()
        ]
        return expected_rank(self.judge.goal, scores)

    def _single(self, candidates: Sequence[PolicyCandidate], *, most: int) -> tuple[Design, float, Parameter]:
        """Return the best single pair: like the policy the best on fresh draws, with λ_dec as fine as the policy's."""
        counts = list(self.judge.tuning.evaluators)
        found = one_of_each(sorted(candidates, key=lambda item: item.error), lambda item: item.design, most=most)
        at = {item: self._coarse(item) for item in found}

        def rank(item: PolicyCandidate) -> Rank:
            return self._rank(self.judge.validation, item.design, item.lambda_enc, dict.fromkeys(counts, at[item]))

        best = min(found, key=rank)
        return best.design, best.lambda_enc, self._fine(best) if best.profile else at[best]

    def _coarse(self, item: PolicyCandidate) -> Parameter:
        """Return the best λ_dec of the grid for all counts, or the best of the kernels of each."""
        if item.profile:
            grid = self.judge.spec.decoder_grid
            return grid[min(range(len(grid)), key=item.profile.__getitem__)]
        ranks = self._expected_ranks(item)
        return min(dict.fromkeys(item.parameters.values()), key=ranks)

    def _fine(self, item: PolicyCandidate) -> float:
        return minimise_rank(self._expected_ranks(item), self.judge.spec.decoder_grid)

    def _expected_ranks(self, item: PolicyCandidate) -> Callable[[Parameter], Rank]:
        """Return the rank expected on the tuning draws as a function of what the decoder is set to, for all counts."""
        decodings = [
            (evaluator.cell.weight, evaluator.decoding(item.design, item.lambda_enc))
            for evaluator in self.judge.tuning.evaluators.values()
        ]
        goal = self.judge.goal
        return lambda parameter: expected_rank(
            goal, [(weight, decode(parameter).score()) for weight, decode in decodings]
        )

    def _judged(self, design: Design, lambda_enc: float, parameters: Mapping[int, Parameter]) -> list[Judged]:
        return [
            self.judge.code(stragglers, design, lambda_enc, parameter) for stragglers, parameter in parameters.items()
        ]

    def _entry(self, chosen: PolicyCandidate, stragglers: int, judged: Judged) -> PolicyEntry:
        parameter = chosen.parameters[stragglers]
        evaluator = self.judge.tuning.evaluators[stragglers]
        return PolicyEntry(
            stragglers=stragglers,
            **decoded_fields(parameter),
            df_dec=evaluator.df_dec(chosen.design, chosen.lambda_enc, parameter),
            heldout=expect([judged]),
        )

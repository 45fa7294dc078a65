"""One encoder for all that may arrive: its choice, and what it is worth beside the best single pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nercc_tune.errors import OutputError
from nercc_tune.inference import Draws
from nercc_tune.inference.decoders.lambda_search import minimise_rank
from nercc_tune.records import (
    BASELINES,
    CellHistory,
    Design,
    Option,
    Policy,
    PolicyEntry,
    SinglePair,
    StudyHistory,
    TrialRecord,
)
from nercc_tune.selection.choice import PolicyCandidate, Rank, expected_rank, one_of_each, policy_candidates
from nercc_tune.selection.heldout import Judged, difference, expect, judge
from nercc_tune.selection.judging import Judge


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
        fresh = [
            (self._rank(self.judge.validation, item.design, item.lambda_enc, item.lambda_dec), item)
            for item in one_of_each(candidates, lambda item: item.design, most=most)
        ]
        rank, chosen = min(fresh, key=lambda item: item[0])
        single = self._single(candidates, most=most)
        mine = self._judged(chosen.design, chosen.lambda_enc, chosen.lambda_dec)
        its = self._judged(single[0], single[1], dict.fromkeys(chosen.lambda_dec, single[2]))
        evaluators = self.judge.heldout.evaluators.items()
        others = {
            name: [
                self.judge.judged(stragglers, evaluator.baseline_metrics(name)) for stragglers, evaluator in evaluators
            ]
            for name in BASELINES
        }
        return Policy(
            design=chosen.design,
            lambda_enc=chosen.lambda_enc,
            df_enc=self.judge.df_enc(chosen.design, chosen.lambda_enc),
            entries=tuple(self._entry(chosen, s, judged) for s, judged in zip(chosen.lambda_dec, mine, strict=True)),
            heldout=expect(mine),
            single=SinglePair(design=single[0], lambda_enc=single[1], lambda_dec=single[2], heldout=expect(its)),
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

    def _rank(self, draws: Draws, design: Design, lambda_enc: float, lambda_dec: Mapping[int, float]) -> Rank:
        scores = [
            (evaluator.cell.weight, evaluator.metrics(design, lambda_enc, lambda_dec[stragglers]).score())
            for stragglers, evaluator in draws.evaluators.items()
        ]
        return expected_rank(self.judge.goal, scores)

    def _single(self, candidates: Sequence[PolicyCandidate], *, most: int) -> tuple[Design, float, float]:
        """Return the best single pair: like the policy the best on fresh draws, with λ_dec as fine as the policy's."""
        grid = self.judge.spec.decoder_grid
        counts = list(self.judge.tuning.evaluators)
        ranked = sorted(candidates, key=lambda item: min(item.profile))
        found = one_of_each(ranked, lambda item: item.design, most=most)

        def rank(draws: Draws, item: PolicyCandidate, smoothing: float) -> Rank:
            return self._rank(draws, item.design, item.lambda_enc, dict.fromkeys(counts, smoothing))

        at = {item: grid[min(range(len(grid)), key=item.profile.__getitem__)] for item in found}
        best = min(found, key=lambda item: rank(self.judge.validation, item, at[item]))
        decodings = [
            (evaluator.cell.weight, evaluator.decoding(best.design, best.lambda_enc))
            for evaluator in self.judge.tuning.evaluators.values()
        ]
        goal = self.judge.goal
        lambda_dec = minimise_rank(
            lambda smoothing: expected_rank(
                goal, [(weight, decode(smoothing).score()) for weight, decode in decodings]
            ),
            grid,
        )
        return best.design, best.lambda_enc, lambda_dec

    def _judged(self, design: Design, lambda_enc: float, lambda_dec: Mapping[int, float]) -> list[Judged]:
        evaluators = self.judge.heldout.evaluators
        return [
            self.judge.judged(stragglers, evaluators[stragglers].metrics(design, lambda_enc, smoothing))
            for stragglers, smoothing in lambda_dec.items()
        ]

    def _entry(self, chosen: PolicyCandidate, stragglers: int, judged: Judged) -> PolicyEntry:
        lambda_dec = chosen.lambda_dec[stragglers]
        return PolicyEntry(
            stragglers=stragglers,
            lambda_dec=lambda_dec,
            df_dec=self.judge.tuning.evaluators[stragglers].df_dec(chosen.design, lambda_dec),
            heldout=judge(judged.metrics, judged.bootstrap),
        )

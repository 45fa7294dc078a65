"""From the finished search to what is worth deploying: choose on the tuning draws, judge on the held-out ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nercc_tune.coding import DOMAIN, NerccCode
from nercc_tune.errors import OutputError
from nercc_tune.inference import CellEvaluator, Draws, MaskedMetrics
from nercc_tune.records import BASELINES, CellHistory, Heldout, Policy, PolicyEntry, StudyHistory, TunedEntry
from nercc_tune.selection.bootstrap import CrossedBootstrap
from nercc_tune.selection.choice import ChosenPolicy, choose_policy
from nercc_tune.selection.heldout import judge, mse_difference
from nercc_tune.spec import StudySpec

_PAIRED_WITH = ("bacc", "nercc_ag")


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """Chooses the pairs of a study and judges them, all on the same held-out draws."""

    spec: StudySpec
    tuning: Draws
    heldout: Draws

    def policy_of(self, history: StudyHistory) -> ChosenPolicy:
        """Choose the policy on the tuning draws.

        Raises:
            OutputError: If no trial succeeded in every cell.
        """
        profiled = {cell.cell.stragglers: self._profiled(cell) for cell in history.cells}
        try:
            return choose_policy(history.cells, profiled)
        except ValueError as error:
            raise OutputError(
                "no proposal had finite outputs in every cell, so there is nothing to choose from."
            ) from error

    def entry(self, cell: CellHistory, *, forwards: int) -> TunedEntry:
        """Judge the chosen pair of a cell beside the baselines.

        Raises:
            OutputError: If the cell has no completed trial, or held-out outputs are not finite.
        """
        best = cell.best
        if best is None or best.score is None:
            raise OutputError(f"no trial of {cell.cell.name} succeeded, so there is no pair to choose.")
        stragglers = cell.cell.stragglers
        evaluator, bootstrap = self.heldout.evaluators[stragglers], self._bootstrap
        tuned = evaluator.pair_metrics(best.lambda_enc, best.lambda_dec)
        baselines = {name: evaluator.baseline_metrics(name) for name in BASELINES}
        code = NerccCode(evaluator.nodes, lambda_enc=best.lambda_enc, lambda_dec=best.lambda_dec)
        return TunedEntry(
            model=cell.cell.model,
            data=cell.cell.data,
            queries=cell.cell.queries,
            workers=cell.cell.workers,
            stragglers=stragglers,
            nodes=cell.cell.nodes,
            decode_space=cell.cell.decode_space,
            domain=DOMAIN,
            lambda_enc=best.lambda_enc,
            lambda_dec=best.lambda_dec,
            df_enc=code.df_enc,
            df_dec=self.tuning.evaluators[stragglers].df_dec(best.lambda_dec),
            tuning=best.score,
            heldout=judge(tuned, bootstrap),
            baselines={name: judge(metrics, bootstrap) for name, metrics in baselines.items()},
            mse_minus={name: mse_difference(tuned, baselines[name], bootstrap) for name in _PAIRED_WITH},
            trials=sum(trial.is_complete for trial in cell.trials),
            forwards=forwards,
        )

    def policy(self, chosen: ChosenPolicy) -> Policy:
        """Judge the policy on the held-out draws.

        Raises:
            OutputError: If held-out outputs are not finite.
        """
        nodes = next(iter(self.heldout.evaluators.values())).nodes
        df_enc = NerccCode(nodes, lambda_enc=chosen.lambda_enc, lambda_dec=0.0).df_enc
        entries = [self._policy_entry(chosen, stragglers) for stragglers in self.heldout.evaluators]
        return Policy(lambda_enc=chosen.lambda_enc, df_enc=df_enc, entries=tuple(entries))

    def _policy_entry(self, chosen: ChosenPolicy, stragglers: int) -> PolicyEntry:
        lambda_dec = chosen.lambda_dec[stragglers]
        metrics: MaskedMetrics = self.heldout.evaluators[stragglers].pair_metrics(chosen.lambda_enc, lambda_dec)
        heldout: Heldout = judge(metrics, self._bootstrap)
        df_dec = self.tuning.evaluators[stragglers].df_dec(lambda_dec)
        return PolicyEntry(stragglers=stragglers, lambda_dec=lambda_dec, df_dec=df_dec, heldout=heldout)

    def _profiled(self, cell: CellHistory) -> Mapping[float, tuple[float, float]]:
        """Return the best λ_dec and its MSE for every λ_enc that was evaluated in a cell.

        Under strategy `joint` a trial's λ_dec is a proposal, not the best one, so it is minimised here; the answers
        are kept, and no forward pass is made.
        """
        evaluator: CellEvaluator = self.tuning.evaluators[cell.cell.stragglers]
        profiled: dict[float, tuple[float, float]] = {}
        for trial in sorted(cell.trials, key=lambda trial: trial.proposal):
            if trial.score is None:
                continue
            found = (trial.lambda_dec, trial.score.mse)
            if self.spec.search.strategy == "joint" and trial.lambda_enc not in profiled:
                best = evaluator.evaluate(trial.lambda_enc, None, self.spec.decoder_grid)
                found = (best.lambda_dec, best.score.mse)
            if trial.lambda_enc not in profiled or found[1] < profiled[trial.lambda_enc][1]:
                profiled[trial.lambda_enc] = found
        return profiled

    @property
    def _bootstrap(self) -> CrossedBootstrap:
        evaluation = self.spec.evaluation
        return CrossedBootstrap.draw(
            groups=evaluation.heldout_groups,
            masks=evaluation.heldout_masks,
            resamples=evaluation.bootstrap,
            seed=evaluation.seed,
        )

"""From the finished search to what is worth deploying: choose among the best on fresh draws, judge on held-out ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from nercc_tune.coding import DOMAIN, Moments, Typical
from nercc_tune.errors import OutputError
from nercc_tune.inference import AvailabilityMeter, DistrustMeter, Draws, MaskedAvailability, MaskedMetrics
from nercc_tune.records import (
    BASELINES,
    ERROR_BASELINES,
    Candidate,
    CellHistory,
    Design,
    FrontPoint,
    Goal,
    Parameter,
    StudyHistory,
    TunedEntry,
    WrongAnswers,
    decoded_fields,
    is_screening,
)
from nercc_tune.selection.bootstrap import CrossedBootstrap
from nercc_tune.selection.choice import Choice, best_trials, non_dominated
from nercc_tune.selection.heldout import difference, expect, gain
from nercc_tune.selection.judged import Judged
from nercc_tune.selection.replication import replication_design, replication_parameter
from nercc_tune.selection.wrong_answers import judge_distrust
from nercc_tune.spec import StudySpec
from nercc_tune.splines import effective_dof

_MOST_OF_FRONT = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """Chooses and judges the codes of a study: all cells and all codes on the same fresh and held-out draws.

    Attributes:
        tuning: The draws that the search saw.
        validation: Fresh draws, on which the best trials are judged again before one is chosen.
        heldout: The draws that judge the choice, and nothing else.
    """

    spec: StudySpec
    tuning: Draws
    validation: Draws
    heldout: Draws

    @property
    def goal(self) -> Goal:
        """What the study optimises."""
        return self.spec.search.goal

    @cached_property
    def replications(self) -> Mapping[int, Parameter]:
        """What replication's decoder is set to, by straggler count."""
        return {
            stragglers: replication_parameter(self.spec, evaluator)
            for stragglers, evaluator in self.tuning.evaluators.items()
        }

    def entries(self, history: StudyHistory, *, forwards: float) -> dict[int, TunedEntry]:
        """Choose and judge the code of every cell, by straggler count.

        Raises:
            OutputError: If a cell has no completed trial, or held-out outputs are not finite.
        """
        chosen = {cell.cell.stragglers: self._choose(cell) for cell in history.cells}
        frozen_at = self.spec.evaluation.frozen_at
        frozen = chosen[frozen_at][0] if frozen_at is not None else None
        return {
            cell.cell.stragglers: self._entry(cell, *chosen[cell.cell.stragglers], frozen=frozen, forwards=forwards)
            for cell in history.cells
        }

    def code(self, stragglers: int, design: Design, lambda_enc: float, parameter: Parameter) -> Judged:
        """Return what is measured of a code on the held-out draws of a cell.

        Raises:
            OutputError: If outputs are not finite.
        """
        evaluator = self.heldout.evaluators[stragglers]
        is_honest = evaluator.errors is None
        availability = AvailabilityMeter(evaluator).of(design, lambda_enc, parameter) if is_honest else None
        return self.judged(stragglers, evaluator.metrics(design, lambda_enc, parameter), availability)

    def baseline(self, stragglers: int, name: str, design: Design | None = None) -> Judged:
        """Return the same of a baseline, by default in the study's own design.

        Raises:
            OutputError: As for `code`.
        """
        evaluator = self.heldout.evaluators[stragglers]
        availability = AvailabilityMeter(evaluator).of_baseline(name, design) if evaluator.errors is None else None
        return self.judged(stragglers, evaluator.baseline_metrics(name, design), availability)

    def judged(self, stragglers: int, metrics: MaskedMetrics, availability: MaskedAvailability | None = None) -> Judged:
        """Return held-out metrics of a cell with the cell's resamples and probability."""
        evaluation = self.spec.evaluation
        bootstrap = CrossedBootstrap.draw(
            groups=evaluation.heldout_groups,
            masks=metrics.mse.shape[1],
            resamples=evaluation.bootstrap,
            seed=evaluation.seed,
        )
        weight = self.heldout.evaluators[stragglers].cell.weight
        return Judged(metrics=metrics, bootstrap=bootstrap, weight=weight, availability=availability)

    def df_enc(self, design: Design, lambda_enc: float) -> float:
        """Return the encoder's effective degrees of freedom, averaged over groups where each has its own nodes."""
        alpha = self.tuning.groups.layout(design).nodes.alpha
        return float(effective_dof(alpha, lambda_enc).mean())

    def moments_of(self, design: Design, lambda_enc: float) -> Moments | None:
        """Return the moments that a code decodes with, those of all tuning groups; None where it needs none."""
        if design.decoder != "calibrated":
            return None
        return self.tuning.calibration.whole(design.encoding(lambda_enc), design.decode_space)

    def digest_of(self, design: Design, lambda_enc: float) -> str | None:
        """Return the digest of the moments that a code decodes with."""
        moments = self.moments_of(design, lambda_enc)
        return None if moments is None else moments.digest

    def typical_of(self, design: Design, lambda_enc: float) -> Typical | None:
        """Return what right answers look like on all tuning groups; None where that cannot be told."""
        return self.tuning.calibration.typical(design.encoding(lambda_enc), design.decode_space)

    def typical_digest_of(self, design: Design, lambda_enc: float, parameters: Iterable[Parameter]) -> str | None:
        """Return the digest of that, where a parameter has a distrust that looks at it."""
        typical = self.typical_of(design, lambda_enc) if any(map(is_screening, parameters)) else None
        return None if typical is None else typical.digest

    def networks_of(self, design: Design) -> str | None:
        """Return the digest of the networks of a trained code; None for one that has none."""
        training = design.training
        return None if training is None else self.tuning.groups.trained.of(training).digest

    def _choose(self, cell: CellHistory) -> tuple[Choice, tuple[Candidate, ...]]:
        """Return the best of the best trials and replication on the validation draws, and how all did there."""
        choices = [Choice.of(trial) for trial in best_trials(cell, most=self.spec.evaluation.candidates)]
        if not choices:
            raise OutputError(f"no trial of {cell.cell.name} succeeded, so there is no pair to choose.")
        if self.spec.evaluation.replication:
            choices.append(self._replication(cell.cell.stragglers))
        evaluator = self.validation.evaluators[cell.cell.stragglers]
        scores = [evaluator.metrics(item.design, item.lambda_enc, item.parameter).score() for item in choices]
        candidates = tuple(
            Candidate(
                proposal=choice.proposal,
                tuning=self.goal.value(choice.tuning),
                fresh=self.goal.value(score),
                is_feasible=self.goal.shortfall(score) == 0,
            )
            for choice, score in zip(choices, scores, strict=True)
        )
        best = min(range(len(choices)), key=lambda at: (self.goal.rank(scores[at]), at))
        return choices[best], candidates

    def _replication(self, stragglers: int) -> Choice:
        design, evaluator = replication_design(self.spec), self.tuning.evaluators[stragglers]
        parameter = self.replications[stragglers]
        return Choice(
            proposal=None,
            design=design,
            lambda_enc=0.0,
            parameter=parameter,
            tuning=evaluator.metrics(design, 0.0, parameter).score(),
        )

    def _entry(
        self,
        cell: CellHistory,
        chosen: Choice,
        candidates: tuple[Candidate, ...],
        *,
        frozen: Choice | None,
        forwards: float,
    ) -> TunedEntry:
        stragglers = cell.cell.stragglers
        design, lambda_enc, parameter = chosen.design, chosen.lambda_enc, chosen.parameter
        tuned = self.code(stragglers, design, lambda_enc, parameter)
        names = (*BASELINES, *(ERROR_BASELINES if self.spec.errors.are_given else ()))
        others = {name: self.baseline(stragglers, name) for name in names}
        designs = dict.fromkeys(names, self.spec.reference)
        if design != self.spec.reference and design.training is None:
            others["bacc_same_design"] = self.baseline(stragglers, "bacc", design)
            designs["bacc_same_design"] = design
        if frozen is not None:
            others["frozen"] = self.code(stragglers, frozen.design, frozen.lambda_enc, frozen.parameter)
            designs["frozen"] = frozen.design
        error = self.goal.error
        gains = {name: gain([tuned], [other], error) for name, other in others.items()}
        in_logits = design.decode_space == "logits"
        is_same_space = {name: (other.decode_space == "logits") == in_logits for name, other in designs.items()}
        return TunedEntry(
            model=cell.cell.model,
            data=cell.cell.data,
            queries=cell.cell.queries,
            workers=cell.cell.workers,
            stragglers=stragglers,
            fewest=cell.cell.fewest,
            weight=cell.cell.weight,
            waiting=self.heldout.evaluators[stragglers].waiting,
            design=design,
            domain=DOMAIN,
            lambda_enc=lambda_enc,
            **decoded_fields(parameter),
            moments=self.digest_of(design, lambda_enc),
            networks=self.networks_of(design),
            typical=self.typical_digest_of(design, lambda_enc, [parameter]),
            df_enc=self.df_enc(design, lambda_enc),
            df_dec=self.tuning.evaluators[stragglers].df_dec(design, lambda_enc, parameter),
            tuning=chosen.tuning,
            is_feasible=next(item.is_feasible for item in candidates if item.proposal == chosen.proposal),
            candidates=candidates,
            heldout=expect([tuned]),
            baselines={name: expect([other]) for name, other in others.items()},
            mse_minus={n: difference([tuned], [other], "mse") for n, other in others.items() if is_same_space[n]},
            prob_mse_minus={name: difference([tuned], [other], "prob_mse") for name, other in others.items()},
            gains={n: item for n, item in gains.items() if item and (is_same_space[n] or error == "prob_mse")},
            wrong_answers=self._wrong_answers(stragglers, chosen, tuned),
            front=self._front(cell),
            trials=sum(item.is_complete for item in cell.trials),
            forwards=forwards,
        )

    def _wrong_answers(self, stragglers: int, chosen: Choice, tuned: Judged) -> WrongAnswers | None:
        """Return what the chosen code does about wrong answers, where the study has some."""
        evaluator, tuning = self.heldout.evaluators[stragglers], self.tuning.evaluators[stragglers]
        if evaluator.errors is None or tuning.errors is None:
            return None
        encoding = chosen.design.encoding(chosen.lambda_enc)
        trusting = tuning.best_trusting(encoding, chosen.design.reading)
        measured = DistrustMeter(evaluator).of(chosen.design, chosen.lambda_enc, chosen.parameter, trusting=trusting)
        kinds, seed = self.spec.errors.kinds, self.spec.evaluation.seed
        return judge_distrust(tuned, measured, kinds=kinds, bound=tuning.errors.liars, seed=seed)

    def _front(self, cell: CellHistory) -> tuple[FrontPoint, ...]:
        """Judge the trials that no other beats in both metrics; of many, an even selection."""
        if self.goal.metric != "pareto":
            return ()
        front = non_dominated(cell.trials, self.goal)
        if len(front) > _MOST_OF_FRONT:
            steps = range(_MOST_OF_FRONT)
            front = tuple(front[round(step * (len(front) - 1) / (_MOST_OF_FRONT - 1))] for step in steps)
        evaluator = self.heldout.evaluators[cell.cell.stragglers]
        points = []
        for trial, score in ((trial, trial.score) for trial in front):
            if score is None:
                continue
            metrics = self.judged(
                cell.cell.stragglers, evaluator.metrics(trial.design, trial.lambda_enc, trial.parameter)
            )
            points.append(
                FrontPoint(
                    proposal=trial.proposal,
                    design=trial.design,
                    lambda_enc=trial.lambda_enc,
                    lambda_dec=trial.lambda_dec,
                    kernel=trial.kernel,
                    distrust=trial.distrust,
                    tuning=score,
                    heldout=expect([metrics]),
                )
            )
        return tuple(points)

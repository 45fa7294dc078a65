"""The section of a study file that says what is searched, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nercc_tune.records import DecodeSpace, DistrustKind, Goal, Metric, NodeDecoderKind
from nercc_tune.spec.section import Copies, Count, LogRange, Section, Seed


class LambdaRange(LogRange):
    """A range of a smoothing parameter; the value 0 belongs to it as well."""


class SearchSettings(Section):
    """How Optuna searches: `trials` counts the proposals of the whole study, each evaluated for every straggler count.

    Of a trained code it counts all trainings, of any other one what comes after the proposals that are given.

    `objective` is what is optimised: `mse` in the decode space, `prob_mse`, `agreement`, `rel_acc`, or `pareto` for
    `prob_mse` and RelAcc both; `min_rel_acc` and `min_agreement` are floors that the choice must keep.
    `orderings`, `nodes`, `assignments` and `decode_spaces` list what is searched beside λ; by default that of `[code]`.
    `copies` lists how many copies of every query the nodes `copies` have, each of which is tried.
    `decoders` lists how estimates are read off the answers: `spline`, `kriging` with a kernel of the nodes, or
    `calibrated` on second moments of the tuning groups.
    `distrusts` lists how wrong answers are found, where `[errors]` has some: `residuals` and `copies` by default,
    `huber`, `tukey`, `median`, and ApproxIFER's locators `polynomial` and `rational`; trusting all answers is always
    tried.
    `patience` ends the search after so many proposals in a row that improved no cell by the share `min_improvement`
    (0 turns the rule off).
    `pruner` stops hopeless encoders early, after each of `blocks` parts of the tuning groups; of trained codes
    `median` and `halving` (successive halving) stop trainings, after an epoch.
    """

    strategy: Literal["profile", "joint"] = "profile"
    sampler: Literal["tpe", "gp", "cmaes", "random", "grid"] = "tpe"
    objective: Metric = "mse"
    min_rel_acc: Annotated[float, Field(gt=0)] | None = None
    min_agreement: Annotated[float, Field(gt=0, le=1)] | None = None
    trials: Count = 40
    seed: Seed = 0
    lambda_enc: LambdaRange = LambdaRange(low=1e-14, high=1.0)
    lambda_dec: LambdaRange = LambdaRange(low=1e-14, high=1.0)
    orderings: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    copies: tuple[Copies, ...] = ()
    assignments: tuple[str, ...] = ()
    decode_spaces: tuple[DecodeSpace, ...] = ()
    decoders: tuple[NodeDecoderKind, ...] = ("spline",)
    distrusts: tuple[DistrustKind, ...] = ()
    patience: Annotated[int, Field(ge=0, strict=True)] = 20
    min_improvement: Annotated[float, Field(ge=0, lt=1)] = 0.001
    pruner: Literal["none", "wilcoxon", "median", "halving"] = "none"
    blocks: Annotated[int, Field(ge=2, strict=True)] = 6

    @property
    def goal(self) -> Goal:
        """What is optimised, and what must hold besides."""
        return Goal(metric=self.objective, min_rel_acc=self.min_rel_acc, min_agreement=self.min_agreement)

    @model_validator(mode="after")
    def _sampler_fits(self) -> SearchSettings:
        if self.sampler == "cmaes" and self.strategy == "profile":
            raise ValueError(
                'sampler = "cmaes" needs two parameters, and strategy = "profile" searches one; '
                'use strategy = "joint", or another sampler.'
            )
        names = ("orderings", "nodes", "copies", "assignments", "decode_spaces", "decoders", "distrusts")
        lists = {name: getattr(self, name) for name in names}
        if self.sampler == "cmaes" and any(len(choices) > 1 for choices in lists.values()):
            raise ValueError('sampler = "cmaes" searches numbers only, and several designs are listed; use "tpe".')
        if self.objective == "pareto" and self.strategy == "profile":
            raise ValueError(
                'objective = "pareto" has no single best λ_dec for a λ_enc, which strategy = "profile" looks for; '
                'use strategy = "joint".'
            )
        if self.objective == "pareto" and self.sampler == "cmaes":
            raise ValueError('sampler = "cmaes" has one objective only, and "pareto" is two; use "tpe".')
        if self.objective == "pareto" and self.pruner != "none":
            raise ValueError('pruner must be "none" for objective = "pareto", since Optuna prunes on one objective.')
        if not self.decoders:
            raise ValueError("`decoders` must list at least one decoder.")
        kernels = [kind for kind in self.decoders if kind != "spline"]
        if kernels and self.strategy == "joint":
            raise ValueError(
                f'decoders = {list(self.decoders)} needs strategy = "profile": "joint" samples λ_dec, '
                f"which {kernels[0]!r} does not have."
            )
        if "calibrated" in kernels and self.pruner != "none":
            raise ValueError(
                f'the decoder "calibrated" is scored on all groups at once; use pruner = "none", '
                f"but got {self.pruner!r}."
            )
        if self.copies and "copies" not in self.nodes:
            raise ValueError('`copies` needs "copies" among `nodes`.')
        for name, choices in lists.items():
            if len(set(choices)) != len(choices):
                raise ValueError(f"`{name}` must not repeat a choice, but got {list(choices)}.")
        return self

"""How trained codes are told in a study file, and what of it is refused."""

from __future__ import annotations

import pytest

from nercc_tune.errors import SpecError
from nercc_tune.records import MIXER_NAMES, TrainedKind, Training
from nercc_tune.spec import StudySpec, TrainingSettings, parse_study

STUDY = """
name = "trained"
[workload]
model = "lenet5"
data = "digits"
[code]
kind = "parity"
queries = 3
workers = 5
stragglers = [1, 2]
"""


def _spec(*overrides: str) -> StudySpec:
    return parse_study(STUDY, overrides=overrides)


@pytest.mark.parametrize("kind", ["parity", "learned"])
def test_the_published_training_is_tried_first(kind: TrainedKind) -> None:
    (encoding,) = _spec(f"code.kind={kind}").encodings
    assert encoding.training == Training(
        kind=kind, mixer=MIXER_NAMES[kind][0], learning_rate=1e-3, weight_decay=1e-5, batch=64, epochs=20
    )


def test_the_first_rate_is_the_nearest_of_a_range_without_the_published_one() -> None:
    ranges = ("training.learning_rate={low=0.01, high=0.1}", "training.weight_decay={low=1e-9, high=1e-7}")
    first = _spec(*ranges, "training.batches=[8, 16]").encodings[0].training
    assert first is not None
    assert (first.learning_rate, first.weight_decay, first.batch) == (0.01, 1e-7, 8)


def test_threads_alone_do_not_make_another_study() -> None:
    assert _spec("training.threads=2").digest == _spec().digest
    assert _spec("training.validation=100").digest != _spec().digest


_BAD = {
    "no parity worker": (
        ["code.workers=3"],
        r"in `code`: `workers > queries` must hold for kind = 'parity', .* but got 3 workers for 3 queries\.",
    ),
    "too many stragglers": (
        ["code.stragglers=[1, 3]"],
        r"`stragglers <= workers - queries` must hold .*, but got 3 stragglers of 5 workers for 3 queries\.",
    ),
    "an unknown mixer": (
        ["training.mixers=['sum']"],
        r"`training\.mixers\.0`: it must be 'addition', 'concatenation', 'packed', 'mlp' or 'conv', but got 'sum'\.",
    ),
    "an unknown loss": (
        ["training.losses=['mse', 'hinge']"],
        r"`training\.losses\.1`: it must be 'mse', 'kl' or 'cross-entropy', but got 'hinge'\.",
    ),
    "an unknown target": (
        ["training.targets=['queries']"],
        r"`training\.targets\.0`: it must be 'outputs' or 'labels', but got 'queries'\.",
    ),
    "an unknown start": (["training.initialisations=['zero']"], r"`.*s\.0`: it must be 'random' or 'base', but got"),
    "an unknown key": (["training.epoch=[3]"], r"unknown key `training\.epoch`; did you mean `epochs`\?"),
    "a learned code's mixer of parity models": (
        ["training.mixers=['addition', 'conv']"],
        r"`training\.mixers` must be of addition, concatenation, packed for kind = 'parity', but got 'conv'\.",
    ),
    "a mixer of parity models for a learned code": (
        ["code.kind=learned", "training.mixers=['addition']"],
        r"`training\.mixers` must be of mlp, conv for kind = 'learned', but got 'addition'\.",
    ),
    "targets of a learned code": (
        ["code.kind=learned", "training.targets=['labels']"],
        r"`training\.targets` must be left out for kind = 'learned', which has no parity networks\.",
    ),
    "starts of a learned code": (
        ["code.kind=learned", "training.initialisations=['random', 'base']"],
        r"`training\.initialisations` must be left out for kind = 'learned', which has no parity networks\.",
    ),
    "a training of a code that needs none": (
        ["code.kind=nercc", "training.epochs=[3]"],
        r"the section `training` needs `code\.kind` of parity or learned, whose networks are trained\.",
    ),
    "halving where nothing is trained": (
        ["code.kind=nercc", "search.pruner=halving"],
        r'pruner = "halving" stops trainings, of which kind = "nercc" has none; use "median"\.',
    ),
    "nodes of a trained code": (
        ["search.nodes=['chebyshev']"],
        r"`search\.nodes` must be left out for kind = 'parity', which has no nodes\.",
    ),
    "a sampler of numbers alone": (
        ["search.sampler=cmaes", "search.strategy=joint"],
        r'sampler must be "tpe", "gp" or "random" for kind = .parity., but got .cmaes.\.',
    ),
    "a pruner of blocks": (["search.pruner=wilcoxon"], r'pruner must be "none", "median" or "halving" for kind ='),
    "two objectives": (
        ["search.objective=pareto", "search.strategy=joint"],
        r"objective must be a single metric for kind = 'parity', but got \"pareto\"\.",
    ),
    "probabilities": (
        ["workload.outputs=probabilities"],
        r"kind = 'parity' needs a model that gives logits, .*, but got `workload\.outputs` of 'probabilities'\.",
    ),
    "a choice twice": (["training.batches=[8, 8]"], r"`batches` must not repeat a choice, but got \[8, 8\]\."),
    "no choice": (["training.epochs=[]"], r"`epochs` must list at least one choice\."),
    "no epoch": (["training.epochs=[0]"], r"`training\.epochs\.0`: .* greater than or equal to 1, but got 0\."),
    "no validation": (["training.validation=0"], r"`training\.validation`: .* or equal to 1, but got 0\."),
    "a rate of zero": (["training.learning_rate.low=0.0"], r"`training\.learning_rate\.low`: .* greater than 0"),
}


@pytest.mark.parametrize("case", _BAD)
def test_what_cannot_be_is_refused_in_one_line(case: str) -> None:
    overrides, message = _BAD[case]
    with pytest.raises(SpecError, match=message) as refused:
        _spec(*overrides)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "section",
    [
        TrainingSettings(mixers=("concatenation", "packed"), targets=("labels", "outputs")),
        TrainingSettings(queries=100),
    ],
)
def test_sections_that_fit_are_kept(section: TrainingSettings) -> None:
    written = ", ".join(
        f"{name} = {list(value) if isinstance(value, tuple) else value}"
        for name, value in section.model_dump(exclude_defaults=True).items()
    )
    assert _spec(f"training={{{written}}}").training == section

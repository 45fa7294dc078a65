"""What Optuna samples and prunes where trials are trainings."""

from __future__ import annotations

from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

from nercc_tune.spec import StudySpec
from nercc_tune.tuning.proposals import budget_of
from nercc_tune.tuning.samplers import turns_at_most
from nercc_tune.tuning.space import distributions, pruner
from tests.fakes import tiny_spec

TRAINED = ("code.kind=parity", "code.queries=3", "code.workers=4", "code.stragglers=[1]", "search.trials=5")


def _spec(*overrides: str) -> StudySpec:
    return tiny_spec(*TRAINED, *overrides)


def test_what_has_several_choices_is_a_parameter_beside_the_rates() -> None:
    found = distributions(_spec("training.mixers=['addition', 'packed']", "training.batches=[32, 64]"))
    assert found == {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "weight_decay": FloatDistribution(1e-6, 1e-3, log=True),
        "mixer": CategoricalDistribution(("addition", "packed")),
        "batch": CategoricalDistribution((32, 64)),
    }


def test_all_trainings_count() -> None:
    assert budget_of(_spec()) == 5
    several = _spec("training.mixers=['addition', 'packed', 'concatenation']")
    assert (len(several.encodings), turns_at_most(several), budget_of(several)) == (3, 2, 5)
    assert budget_of(_spec("training.mixers=['addition', 'packed']", "search.trials=1")) == 2


def test_the_first_trainings_differ_in_what_is_sent() -> None:
    spec = _spec("training.mixers=['packed', 'addition']", "training.learning_rate={low=2e-3, high=1e-2}")
    first = [encoding.training for encoding in spec.encodings]
    assert [training.mixer for training in first if training is not None] == ["packed", "addition"]
    assert all((training.learning_rate, training.weight_decay) == (2e-3, 1e-5) for training in first if training)


def test_pruners_look_at_epochs() -> None:
    assert isinstance(pruner(_spec()), NopPruner)
    median = pruner(_spec("search.pruner=median", "training.epochs=[20]"))
    assert isinstance(median, MedianPruner)
    assert median._n_warmup_steps == 4
    halving = pruner(_spec("search.pruner=halving", "training.epochs=[27]"))
    assert isinstance(halving, SuccessiveHalvingPruner)
    assert halving._min_resource == 3

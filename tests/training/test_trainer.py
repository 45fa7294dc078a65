"""Codes that are trained once and found again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from nercc_tune.coding import AbsentNetwork, pack_networks, read_networks
from nercc_tune.errors import SpecError, WorkloadError
from nercc_tune.inference import OutputStore, open_files
from nercc_tune.records.timings import Timings
from nercc_tune.spec import StudySpec, parse_study
from nercc_tune.training import CodeTrainer
from nercc_tune.workloads import TrainingQueries, Workload
from tests.training.tasks import OUTPUTS, PARITY, SHAPE, base, inputs

STUDY = """
name = "tiny"
[workload]
model = "linear"
data = "noise"
[code]
kind = "parity"
queries = 2
workers = 3
stragglers = [1]
[training]
validation = 24
"""


@dataclass
class _Loading:
    count: int = 96
    loaded: int = field(default=0)

    def __call__(self) -> TrainingQueries:
        self.loaded += 1
        given = inputs(self.count)
        labels = base()(given).argmax(-1)
        return TrainingQueries(queries=given, labels=labels, identity="noise", available=self.count)


class _Lost:
    """Queries that training never looks at."""


def _workload() -> Workload:
    return Workload(
        model_name="linear",
        data_name="noise",
        model=base().eval(),
        data=_Lost(),  # type: ignore[arg-type]  # it is not looked at
        query_shape=SHAPE,
        outputs=OUTPUTS,
        fingerprint="f" * 64,
        weights_source="own code",
    )


def _spec(*overrides: str) -> StudySpec:
    return parse_study(STUDY, overrides=overrides)


def _trainer(folder: Path, *overrides: str, load: _Loading | None = None) -> CodeTrainer:
    return CodeTrainer(
        spec=_spec(*overrides),
        workload=_workload(),
        load=load or _Loading(),
        device=torch.device("cpu"),
        files=open_files(folder, what="networks"),
        store=OutputStore(None, memory_mb=16),
        timings=Timings(),
    )


def _go_on(_epoch: int, _agreement: float) -> bool:
    return False


def test_what_was_trained_is_found_again(tmp_path: Path) -> None:
    first, again = _trainer(tmp_path), _trainer(tmp_path)
    outcome = first.train(PARITY, _go_on)
    assert outcome.is_complete
    assert len(outcome.epochs) == PARITY.epochs
    assert "training" in first.timings.seconds
    assert again.train(PARITY, _go_on) == outcome
    assert "training" not in again.timings.seconds
    assert again.of(PARITY).digest == first.of(PARITY).digest
    assert len(list(tmp_path.rglob("*.networks"))) == 1
    assert not list(tmp_path.rglob("*.checkpoint"))


def test_each_epoch_is_reported_once_and_again_where_it_is_found(tmp_path: Path) -> None:
    for _ in range(2):
        reported: list[tuple[int, float]] = []

        def report(epoch: int, agreement: float, seen: list[tuple[int, float]] = reported) -> bool:
            seen.append((epoch, agreement))
            return False

        outcome = _trainer(tmp_path).train(PARITY, report)
        assert reported == [(number, epoch.agreement) for number, epoch in enumerate(outcome.epochs)]


def test_what_is_given_up_is_not_kept(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    outcome = trainer.train(PARITY, lambda epoch, _agreement: epoch == 1)
    assert not outcome.is_complete
    assert len(outcome.epochs) == 2
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_interrupted_training_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.training.trainer._CHECKPOINT_EVERY_S", 0.0)

    def stop(epoch: int, _agreement: float) -> bool:
        if epoch == 2:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        _trainer(tmp_path).train(PARITY, stop)
    assert list(tmp_path.rglob("*.checkpoint"))
    resumed = _trainer(tmp_path)
    undisturbed = _trainer(tmp_path / "other")
    assert resumed.train(PARITY, _go_on) == undisturbed.train(PARITY, _go_on)
    assert resumed.of(PARITY).digest == undisturbed.of(PARITY).digest


def test_a_checkpoint_that_outlived_its_training_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does whose process ends between the last two steps."""
    monkeypatch.setattr("nercc_tune.training.trainer._CHECKPOINT_EVERY_S", 0.0)
    first = _trainer(tmp_path)

    def end(_files: object, _name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(first.files), "remove", end)
        with pytest.raises(KeyboardInterrupt):
            first.train(PARITY, _go_on)
    assert list(tmp_path.rglob("*.checkpoint"))
    again = _trainer(tmp_path)
    again.train(PARITY, _go_on)
    assert "training" not in again.timings.seconds
    assert not list(tmp_path.rglob("*.checkpoint"))


def test_a_damaged_file_counts_as_absent(tmp_path: Path) -> None:
    digest = _trainer(tmp_path).of(PARITY).digest
    (kept,) = tmp_path.rglob("*.networks")
    kept.write_bytes(kept.read_bytes()[:-3])
    assert _trainer(tmp_path).of(PARITY).digest == digest


def test_networks_travel_as_one_file(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    content = pack_networks(trainer.networks(PARITY))
    again, code = read_networks(content), trainer.of(PARITY)
    assert again.digest == code.digest
    assert (again.origin.training, again.origin.model) == (PARITY, "linear")
    given = inputs(4).reshape(2, 2, *SHAPE)
    built = again.code(lambda _name, _outputs: base())
    torch.testing.assert_close(built.parity_answers(given, base()), code.parity_answers(given, base()), rtol=0, atol=0)
    for cut in (content[:-1], content[: len(content) // 2], content[:4], b""):
        with pytest.raises(ValueError, match="no whole file of a code's networks"):
            read_networks(cut)


def test_a_network_of_an_unknown_architecture_is_only_missed_where_it_runs(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    code = trainer.networks(PARITY).code(lambda _name, _outputs: AbsentNetwork("give the model."))
    answers = torch.randn(2, OUTPUTS)
    torch.testing.assert_close(code.decode(answers, [0, 2]), trainer.of(PARITY).decode(answers, [0, 2]))
    with pytest.raises(WorkloadError, match="give the model"):
        code.network("parity-1")(inputs(1))


def test_trainings_that_differ_are_kept_apart(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    digests = {trainer.of(replace(PARITY, seed=seed, epochs=1)).digest for seed in range(3)}
    assert len(digests) == 3


def test_nothing_is_loaded_before_something_is_trained(tmp_path: Path) -> None:
    load = _Loading()
    trainer = _trainer(tmp_path, load=load)
    trainer.check()
    assert load.loaded == 0
    trainer.of(replace(PARITY, epochs=1))
    assert load.loaded == 1


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="for 5 queries and 6 workers: `queries` must be 2, 3 or 4 for the mixer"):
        _trainer(tmp_path, "code.queries=5", "code.workers=6", "training.mixers=['concatenation']").check()
    photos = replace(_workload(), query_shape=(3, 224, 224))
    with pytest.raises(SpecError, match=r"for 2 queries and 3 workers: `shape` must .* takes 60\.4 GB; use 'conv'"):
        replace(_trainer(tmp_path, "code.kind=learned"), workload=photos).check()
    program = replace(_workload(), weights_source="exported program")
    with pytest.raises(SpecError, match="an exported program has none to give"):
        replace(_trainer(tmp_path), workload=program).check()
    with pytest.raises(WorkloadError, match=r"`training.validation` of 24 leaves no group of 2 to train on of 24"):
        _trainer(tmp_path, load=_Loading(count=24)).of(PARITY)

"""A searched study with all that judges it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nercc_tune.records import Heldout, StudyHistory
from nercc_tune.selection import Judge
from nercc_tune.spec import StudySpec
from tests.fakes import bench, draw


def errors(heldout: Heldout) -> Heldout:
    """Return held-out figures without availability, which is measured for itself."""
    assert heldout.availability is not None
    return replace(heldout, availability=None)


def searched(spec: StudySpec, folder: Path) -> tuple[Judge, StudyHistory]:
    study = bench(spec, folder)
    study.measure_baselines()
    study.search().run()
    judge = Judge(spec=spec, tuning=study.tuning, validation=draw(spec, "validation"), heldout=draw(spec, "heldout"))
    return judge, study.history()

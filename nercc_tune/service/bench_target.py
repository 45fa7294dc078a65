"""From studies to the rivals that are measured, and the questions that they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from nercc_tune.errors import ServiceError
from nercc_tune.export.attachments import read_attachments
from nercc_tune.export.table import TunedTable
from nercc_tune.home import Home
from nercc_tune.inference import split_queries
from nercc_tune.records import StudyHistory
from nercc_tune.service.asking import Questions, answers_without_coding
from nercc_tune.service.bench_codes import BenchCode
from nercc_tune.service.rivals import Rival, rival
from nercc_tune.serving import ServedTable
from nercc_tune.spec import build_study
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads import load_workload

__all__ = ["BenchTarget", "load_target", "make_rivals", "served_table"]


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchTarget:
    """What is measured.

    Attributes:
        study: Its name.
        data: The name of the data set.
        served: Its table.
        model: In evaluation mode, on the CPU.
        questions: Its held-out queries, which nothing was tuned on.
    """

    study: str
    data: str
    served: ServedTable
    model: nn.Module
    questions: Questions


def load_target(history: StudyHistory, home: Home, *, allow_code: bool = False) -> BenchTarget:
    """Load the table, the model and the held-out queries of a finished study.

    Raises:
        NerccTuneError: If the study is not finished, or something of it cannot be used here.
    """
    spec = build_study(history.spec)
    workload = load_workload(spec.workload, home=home.root, data_dir=home.data, allow_code=allow_code)
    if workload.fingerprint != history.workload.fingerprint:
        raise ServiceError(
            f"the model or the data of `{history.name}` is not what it was tuned on; launch the study again, "
            "or give the --home and --data-dir that it was launched with."
        )
    indices = [index for group in split_queries(spec, len(workload.data)).heldout for index in group]
    queries, labels = workload.data.load(indices)
    plain = answers_without_coding(workload.model, queries)
    questions = Questions(queries=queries, plain=plain, labels=labels.numpy())
    served = served_table(history, home.table(history.name), model=workload.model)
    return BenchTarget(
        study=history.name, data=workload.data_name, served=served, model=workload.model, questions=questions
    )


def served_table(history: StudyHistory, path: Path, *, model: nn.Module) -> ServedTable:
    """Return the table of a finished study, with what lies beside its file.

    Raises:
        TableError: If the study is not finished, or something is missing.
    """
    table = TunedTable.from_history(history)
    return ServedTable(table, read_attachments(table, beside=path), model)


def make_rivals(
    target: BenchTarget, codes: Sequence[BenchCode], *, tables: Callable[[str], ServedTable]
) -> dict[str, Rival]:
    """Make all schemes that are measured, by label.

    Args:
        target: What they serve.
        codes: The schemes.
        tables: Returns the table of a study that a code names, which is for the same model.

    Raises:
        ServiceError: If a table is for another model, or as for `rival`.
    """
    found = {}
    for code in codes:
        served = target.served if code.study is None else tables(code.study)
        if served.table.workload.fingerprint != target.served.table.workload.fingerprint:
            raise ServiceError(
                f"the study of `{one_line(code.label)}` must be of the model and data of `{target.study}`; "
                "name another."
            )
        found[code.label] = rival(code.settings, served, target.model)
    return found

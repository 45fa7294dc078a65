"""From studies to the rivals that are measured, and the questions that they are asked."""

from __future__ import annotations

from collections.abc import Sequence
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
from nercc_tune.service.rivals import Rival, rival
from nercc_tune.service.scheme_settings import SchemeName, SchemeSettings
from nercc_tune.serving import ServedTable
from nercc_tune.spec import build_study
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
    target: BenchTarget,
    codes: Sequence[SchemeSettings],
    *,
    parity: ServedTable | None = None,
) -> dict[SchemeName, Rival]:
    """Make all schemes that are measured.

    Args:
        target: What they serve.
        codes: Their settings.
        parity: The table of a study of parity models for the same model, for the code `parity`.

    Raises:
        ServiceError: If there is no table for `parity` or it is of another model, or as for `rival`.
    """
    own, found = target.served, {}
    for settings in codes:
        table = own if settings.name != "parity" or parity is None else parity
        if table.table.workload.fingerprint != own.table.workload.fingerprint:
            raise ServiceError(
                f"`--parity` must name a study of the model and data of `{target.study}`, "
                f"but `{table.table.study}` has others."
            )
        found[settings.name] = rival(settings, table, target.model)
    return found

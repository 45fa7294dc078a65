"""From what is to be served, and the workload it was tuned on, to an offer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nercc_tune.errors import ServiceError
from nercc_tune.export.table import TunedTable
from nercc_tune.home import Home
from nercc_tune.hosting.plan import Offer
from nercc_tune.hosting.sources import Found
from nercc_tune.service.query_reading import QueryReader
from nercc_tune.service.rivals import rival
from nercc_tune.service.rules import Answers, Deadline, ErrorBound, Rule
from nercc_tune.service.scheme import Scheme
from nercc_tune.service.scheme_settings import SchemeSettings
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads import Workload, load_workload
from nercc_tune.workloads.queries import ImageQueries

__all__ = ["Offering", "settings_of_table"]

_BY_SOURCE = {"pretrained": "pretrained", "random": "random_weights"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Offering:
    """Makes offers for one model.

    Attributes:
        workload: The model and its data.
        settings: How the workers are used.
    """

    workload: Workload
    settings: SchemeSettings

    @classmethod
    def load(
        cls,
        workload: WorkloadSettings,
        settings: SchemeSettings,
        *,
        home: Home,
        allow_code: bool = False,
        notify: Callable[[str], None] = lambda _: None,
    ) -> Offering:
        """Load the model.

        Raises:
            NerccTuneError: If the model or its data cannot be used.
        """
        notify(f"loading {workload.model} on {workload.data}")
        loaded = load_workload(workload, home=home.root, data_dir=home.data, notify=notify, allow_code=allow_code)
        return cls(workload=loaded, settings=settings)

    def offer(self, found: Found) -> Offer:
        """Return what is found as an offer.

        Raises:
            ServiceError: If it was tuned on another model or other data, or the settings do not fit it.
            TableError: If its code cannot be had.
        """
        table, workload = found.served.table, self.workload
        if table.workload.fingerprint != workload.fingerprint:
            raise ServiceError(
                f"{found.title} was tuned on another {table.workload.model} or other {table.workload.data}; name those "
                "by --home, --data-dir and --checkpoint, or promote a study of these."
            )
        made = rival(self.settings, replace(found.served, model=workload.model), workload.model)
        return Offer(
            scheme=made.scheme,
            codec=made.codec,
            networks=made.networks,
            reader=self._reader,
            about={"serves": found.title, "key": found.key, **_describe(table, made.scheme)},
        )

    def save_example(self, folder: Path) -> Path:
        """Write the first query of the data as a `.npy` file, for somebody to send, and return where it lies.

        Raises:
            ServiceError: If it cannot be written.
        """
        queries, _ = self.workload.data.load([0])
        path = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', self.workload.data_name)}-query.npy"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            np.save(path, queries[0].numpy(), allow_pickle=False)
        except OSError as error:
            raise ServiceError(
                f"`{one_line(path)}` cannot be written ({one_line(error.strerror or error)}); set another --home."
            ) from error
        return path

    @property
    def _reader(self) -> QueryReader:
        data = self.workload.data
        preprocessing = data.preprocessing if isinstance(data, ImageQueries) else None
        return QueryReader(query_shape=self.workload.query_shape, preprocessing=preprocessing)


def settings_of_table(table: TunedTable, *, model: str | None, checkpoint: str | None) -> WorkloadSettings:
    """Return how to load what a table was tuned on, as far as it says so.

    Args:
        table: The table.
        model: In place of the model's name, for one whose name does not say where it lies.
        checkpoint: Its weights, where they are neither shipped, published nor in the home.
    """
    info = table.workload
    values: dict[str, Any] = {"model": model or info.model, "data": info.data, "outputs": info.output_kind}
    if checkpoint is not None:
        values["checkpoint"] = checkpoint
    elif info.weights_source in _BY_SOURCE:
        values[_BY_SOURCE[info.weights_source]] = True
    return WorkloadSettings(**values)


def _describe(table: TunedTable, scheme: Scheme) -> dict[str, Any]:
    info = table.workload
    return {
        "model": info.model,
        "data": info.data,
        "query_shape": list(info.query_shape),
        "outputs": info.outputs,
        "scheme": scheme.name,
        "queries": scheme.queries,
        "workers": scheme.workers,
        "rule": describe_rule(scheme.rule, workers=scheme.workers),
        "max_wait_s": scheme.max_wait_s,
    }


def describe_rule(rule: Rule | None, *, workers: int) -> str:
    """Say in words when queries are decoded."""
    match rule:
        case Answers(count=count):
            return f"decodes with {count} of {workers} answers"
        case Deadline(seconds=seconds, least=least, count=count):
            return f"decodes after {seconds:g} s with at least {least} of {workers} answers, or sooner with {count}"
        case ErrorBound(bound=bound, least=least):
            return f"decodes when the expected error is at most {bound:g}, with at least {least} of {workers} answers"
        case None:
            return "decodes nothing"
    raise ValueError(f"`rule` must be one that is known, but got {type(rule).__name__}.")

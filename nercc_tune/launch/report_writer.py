"""The report of a launch, for which all that draws it is imported beside the search."""

from __future__ import annotations

import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from nercc_tune.coding import BerrutCode, NerccCode
from nercc_tune.inference import Inference
from nercc_tune.records import Policy, StudyHistory

if TYPE_CHECKING:
    from nercc_tune.reporting.figures import CodedQueries


class ReportWriter:
    """Writes the figures and the report of a study once it is judged.

    Matplotlib, pandas and plotly take seconds to import, which the model need not wait for.
    """

    def __init__(self) -> None:
        self._imports = threading.Thread(target=_import, name="nercc-tune-imports", daemon=True)

    def start(self) -> None:
        """Begin to import what draws."""
        self._imports.start()

    def write(self, history: StudyHistory, folder: Path, *, inference: Inference, policy: Policy) -> None:
        """Draw all figures and write the report into the study's folder."""
        self._imports.join()
        from nercc_tune.reporting.report import write_report  # noqa: PLC0415 - see the class

        write_report(history, folder, coded=_coded_queries(inference, policy))


def _import() -> None:
    with suppress(ImportError):  # `write` meets the same again, where it can be told
        for name in ("pandas", "nercc_tune.reporting.report"):  # plotly would take a pandas that is half imported
            import_module(name)


def _coded_queries(inference: Inference, policy: Policy) -> CodedQueries:
    """Return one held-out group, and what BACC and the policy's encoder send for it."""
    queries, _ = inference.workload.data.load(inference.split.heldout[0])
    paper, tuned = inference.spec.reference, policy.design
    if tuned.training is not None and inference.trained is not None:
        sent = inference.trained.of(tuned.training).encode(queries)
        return queries.numpy(), {tuned.training.label: sent.numpy()}
    coded = {
        "BACC": inference.encode(queries, BerrutCode, paper),
        "NeRCC": inference.encode(queries, NerccCode.encoder(policy.lambda_enc), tuned),
    }
    return queries.numpy(), {name: values.numpy() for name, values in coded.items()}

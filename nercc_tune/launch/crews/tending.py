"""A search by a crew, from its start to its end."""

from __future__ import annotations

import time
from contextlib import suppress

from nercc_tune.launch.crews.crew import Crew
from nercc_tune.tuning import STORAGE_FAILURES, Patience, Progress

_TICK_S = 0.5


def search_with(crew: Crew, progress: Progress, patience: Patience) -> None:
    """Look after a crew, and follow what it does, until the search is over.

    Raises:
        NerccTuneError: If a worker failed for a reason that another one would fail for, too.
    """

    def follow() -> None:
        progress.ledger.sweep()
        progress.ledger.keep_conducting()
        progress.refresh()

    try:
        crew.start()
        while not patience(lambda: progress.is_over):
            crew.tend()
            time.sleep(_TICK_S)
            patience(follow)
    finally:
        crew.stop()
        with suppress(*STORAGE_FAILURES):  # the next launch does it
            progress.ledger.sweep()  # what a worker held that did not end in peace is free again

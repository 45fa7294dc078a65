"""Many processes that all want the same trials; run as `python -m tests.tuning.claiming URL PROCESSES TRIALS`."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from multiprocessing.synchronize import Barrier

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState, create_trial

from nercc_tune.tuning import open_storage


def queue_trials(url: str, count: int) -> list[int]:
    """Make a study of waiting trials and return their ids."""
    storage = open_storage(url)
    study = optuna.create_study(storage=storage, study_name="claimed")
    study.add_trials([create_trial(state=TrialState.WAITING) for _ in range(count)])
    ids = [trial._trial_id for trial in study.get_trials(deepcopy=False)]
    storage.remove_session()
    storage.engine.dispose()
    return ids


def open_at_once(url: str, gate: Barrier) -> None:
    """Open a storage that nobody has made yet, together with the others."""
    gate.wait()
    open_storage(url).engine.dispose()


def claim_and_finish(url: str, ids: list[int], gate: Barrier) -> tuple[list[int], list[int]]:
    """Try to claim, then to finish, every trial; return the ids for which either succeeded."""
    storage = open_storage(url)
    gate.wait()
    claimed = [number for number in ids if storage.set_trial_state_values(number, TrialState.RUNNING)]
    gate.wait()
    finished = []
    for number in ids:
        try:
            if storage.set_trial_state_values(number, TrialState.COMPLETE, [1.0]):
                finished.append(number)
        except UpdateFinishedTrialError:
            continue
    return claimed, finished


def compete(url: str, processes: int, count: int) -> dict[str, object]:
    """Let the processes compete, and return what each got and how long all took."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager, context.Pool(processes) as pool:
        gate = manager.Barrier(processes)
        pool.starmap(open_at_once, [(url, gate)] * processes, chunksize=1)
        ids = queue_trials(url, count)
        start = time.perf_counter()
        got = pool.starmap(claim_and_finish, [(url, ids, gate)] * processes, chunksize=1)
    return {
        "ids": ids,
        "claimed": sorted(number for claimed, _ in got for number in claimed),
        "finished": sorted(number for _, finished in got for number in finished),
        "seconds": time.perf_counter() - start,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(compete(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))

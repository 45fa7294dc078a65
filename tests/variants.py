"""The studies and tables of `tests.builders` with what only some studies have."""

from __future__ import annotations

from dataclasses import replace

from nercc_tune.export.table import TunedTable
from nercc_tune.records import (
    DEFAULT_PREDICTION,
    LATE_SHARES,
    Availability,
    CellHistory,
    Design,
    Detection,
    Distrust,
    FrontPoint,
    Goal,
    Interval,
    OverallPoint,
    Score,
    StudyHistory,
    TunedEntry,
    WrongAnswers,
)
from tests.builders import cell_history, finished, heldout, interval, score, study_history, tuned_table

SORTED = Design(ordering="nearest-neighbour", nodes="chord-length", decode_space="logits-softmax")
INTERLEAVED = Design(ordering="nearest-neighbour", nodes="uniform", assignment="interleaved", rack=8)
PARETO = {"objective": "pareto", "strategy": "joint"}
DISTRUST = Distrust(kind="residuals", level=4.2, scale=1.3, most=8)
FOUND = {"sign-flip": 0.98, "normal-10": 1.0, "stale-0.1": 0.21, "nan": 1.0}
"""By kind of wrong answers: which share of them `wrong_answers` finds where nothing makes it hard."""

_CARRIERS = {
    "bacc": (50,),
    "nercc_ag": (50,),
    "replication": (0, 0, 0, 0, 50),
    "uncoded": (0, 50),
    DEFAULT_PREDICTION: (0, 50),
}
_DEGRADED = {"bacc": 0.95, "nercc_ag": 0.96, "replication": 0.3, "uncoded": 0.2, DEFAULT_PREDICTION: 0.1}
_TRADE_OFF = ((1.0, 0.97), (0.8, 0.93), (0.9, 0.95), (0.95, 0.90), (0.7, 0.91), (1.1, 0.965))
"""Of trials: the error relative to (0, 0), and RelAcc; the third is on the front and the fourth is not."""


def in_ranges(history: StudyHistory) -> StudyHistory:
    """Return the study with a random number of stragglers: each cell is the range up to its count."""
    cells: list[CellHistory] = []
    fewest = 0
    for item in history.cells:
        place = replace(item.cell, fewest=fewest, weight=0.25)
        entry = replace(item.entry, fewest=fewest, weight=0.25) if item.entry else None
        cells.append(replace(item, cell=place, entry=entry))
        fewest = place.stragglers + 1
    code = {**history.spec["code"], "stragglers": []}
    spec = {**history.spec, "code": code, "straggling": {"model": "independent", "probability": 0.3}}
    return replace(history, spec=spec, cells=tuple(cells))


def with_waiting(table: TunedTable) -> TunedTable:
    """Return the table with the mean time until enough answers are there, which falls with S."""
    straggling = {"model": "latency", "law": "shifted-exponential", "rule": "first"}
    entries = tuple(replace(entry, waiting=1 + (1 - entry.stragglers / 200) ** 3) for entry in table.entries)
    return replace(table, entries=entries, straggling=straggling)


def with_frozen(table: TunedTable) -> TunedTable:
    """Return the table with the pair of one count judged at all."""
    return replace(table, entries=tuple(_frozen(entry) for entry in table.entries))


def with_availability(table: TunedTable) -> TunedTable:
    """Return the table with the default prediction and accuracies of all codes; the first tuned one degrades none."""
    entries = []
    for entry in table.entries:
        share = entry.stragglers / entry.workers
        baselines = {**entry.baselines, DEFAULT_PREDICTION: heldout(1.1 * entry.baselines["uncoded"].mse.mean)}
        baselines |= {
            name: replace(item, availability=availability(_DEGRADED[name] * (1 - share), carriers=_CARRIERS[name]))
            for name, item in baselines.items()
        }
        degraded = None if entry is table.entries[0] else 1 - share
        tuned = replace(entry.heldout, availability=availability(degraded, carriers=(0, 0, 0, 0, 50)))
        entries.append(replace(entry, heldout=tuned, baselines=baselines))
    policy = tuple(
        replace(entry, heldout=replace(entry.heldout, availability=availability(0.7, carriers=(50,))))
        for entry in table.policy.entries
    )
    return replace(table, entries=tuple(entries), policy=replace(table.policy, entries=policy))


def availability(degraded: float | None, *, carriers: tuple[int, ...]) -> Availability:
    """Return accuracies of a code for N = 200 that is right about 0.98 of the queries where all answer."""
    whole = interval(0.98, spread=0.01)
    made = Availability(available=whole, degraded=None, carriers=carriers, workers=200)
    if degraded is None:
        return made
    lost = interval(degraded)

    def mixed(late: float) -> Interval:
        share = made.exposure(late)
        return Interval(
            mean=(1 - share) * whole.mean + share * lost.mean,
            low=(1 - share) * whole.low + share * lost.low,
            high=(1 - share) * whole.high + share * lost.high,
        )

    overall = tuple(OverallPoint(late=late, accuracy=mixed(late)) for late in LATE_SHARES)
    return replace(made, degraded=lost, overall=overall)


def with_wrong_answers(history: StudyHistory) -> StudyHistory:
    """Return a finished study that distrusts: all but the first trial do, and what was chosen, but for the policy's."""
    cells = []
    for item in history.cells:
        assert item.entry is not None
        judged = wrong_answers(item.entry.heldout.prob_mse.mean, hard=item.cell.stragglers / 200)
        entry = replace(item.entry, distrust=DISTRUST, wrong_answers=judged)
        trials = tuple(replace(trial, distrust=DISTRUST if trial.proposal else None) for trial in item.trials)
        cells.append(replace(item, entry=entry, trials=trials))
    assert history.policy is not None
    policy = replace(history.policy, single=replace(history.policy.single, distrust=DISTRUST))
    return replace(
        history, cells=tuple(cells), policy=policy, spec={**history.spec, "errors": {"kinds": list(FOUND), "count": 3}}
    )


def wrong_answers(error: float, *, hard: float = 0.0) -> WrongAnswers:
    """Return what a code does that makes an error with wrong answers: of what is `hard` it finds less."""
    detections = tuple(
        Detection(
            kind=kind,
            wrong=6000,
            found=round(6000 * found * (1 - hard * (1 - found))),
            right=300_000,
            accused=90 + 1000 * place,
            prob_mse=interval((1 + 2 * (1 - found)) * error),
            oracle=interval(error),
            ratio=interval(1 + 2 * (1 - found)),
        )
        for place, (kind, found) in enumerate(FOUND.items())
    )
    return WrongAnswers(
        bound=3,
        detections=detections,
        none_wrong=interval(0.91 * error),
        none_wrong_trusting=interval(0.9 * error),
        cost=interval(0.91 / 0.9 - 1, spread=0.5),
        false_alarms=0.0012,
    )


def with_designs(table: TunedTable) -> TunedTable:
    """Return the table with another design than the baselines' chosen in two of the cells and by the policy."""
    designs = (SORTED, INTERLEAVED, *(entry.design for entry in table.entries[2:]))
    entries = tuple(replace(entry, design=design) for entry, design in zip(table.entries, designs, strict=True))
    policy = replace(table.policy, design=SORTED, single=replace(table.policy.single, design=SORTED))
    return replace(table, entries=entries, policy=policy)


def pareto_study(*, stragglers: tuple[int, ...] = (40, 80), is_judged: bool = True) -> StudyHistory:
    """Return a study for both error and RelAcc, with a trial for each of `_TRADE_OFF` and one that failed."""
    history = study_history(stragglers=stragglers, is_judged=False, goal=Goal(metric="pareto"), search=PARETO)
    history = replace(history, cells=tuple(_traded(count) for count in stragglers))
    if not is_judged:
        return history
    history = finished(history)
    return replace(history, cells=tuple(_with_front(item) for item in history.cells))


def random_table() -> TunedTable:
    """Return a table over ranges of S with designs, waiting times and a frozen pair."""
    table = TunedTable.from_history(in_ranges(study_history()))
    return with_frozen(with_waiting(with_designs(table)))


def table_with(**changes: object) -> TunedTable:
    """Return a table of one entry with other fields."""
    table = tuned_table(stragglers=(20,))
    return replace(table, entries=(replace(table.entries[0], **changes),))  # type: ignore[arg-type]  # fitting values


def _frozen(entry: TunedEntry) -> TunedEntry:
    error = 1.4 * entry.heldout.mse.mean
    difference = interval(entry.heldout.mse.mean - error)
    return replace(
        entry,
        baselines={**entry.baselines, "frozen": heldout(error)},
        mse_minus={**entry.mse_minus, "frozen": difference},
        prob_mse_minus={**entry.prob_mse_minus, "frozen": difference},
        gains={**entry.gains, "frozen": interval(1 - 1 / 1.4)},
    )


def _traded(stragglers: int) -> CellHistory:
    item = cell_history(stragglers, goal=Goal(metric="pareto"))
    origin = item.baselines["nercc_ag"].mse
    trials = tuple(
        replace(record, score=score(share * origin, rel_acc=rel_acc))
        for record, (share, rel_acc) in zip(item.trials, _TRADE_OFF, strict=False)
    )
    baselines = {
        **item.baselines,
        "bacc": score(1.3 * origin, rel_acc=0.94),
        "nercc_ag": score(origin, rel_acc=0.97),
    }
    return replace(item, trials=(*trials, item.trials[-1]), baselines=baselines)


def _with_front(item: CellHistory) -> CellHistory:
    assert item.entry is not None
    front = [(trial, trial.score) for trial in (item.trials[4], item.trials[1], item.trials[2], item.trials[0])]
    points = tuple(
        FrontPoint(
            proposal=trial.proposal,
            design=trial.design,
            lambda_enc=trial.lambda_enc,
            lambda_dec=trial.lambda_dec,
            tuning=found,
            heldout=replace(heldout(1.03 * found.mse), rel_acc=interval(_defined(found), spread=0.01)),
        )
        for trial, found in front
        if found is not None
    )
    assert points[0].lambda_enc == item.entry.lambda_enc
    baselines = {
        name: replace(item.entry.baselines[name], rel_acc=interval(_defined(found), spread=0.01))
        for name, found in item.baselines.items()
    }
    entry = replace(item.entry, front=points, heldout=points[0].heldout, baselines=baselines)
    return replace(item, entry=entry)


def _defined(found: Score) -> float:
    assert found.rel_acc is not None
    return found.rel_acc

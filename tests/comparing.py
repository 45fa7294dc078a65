"""Tables of studies of small codes, whose accuracies are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nercc_tune.export.comparison import Comparison, Setting
from nercc_tune.export.table import TunedTable
from nercc_tune.records import LATE_SHARES, Availability, Design, Heldout, Interval, OverallPoint, Training
from tests.builders import heldout, tuned_table

PLAIN = (0, 2)
"""Carriers of K = 2 queries that are each sent to one worker as they are."""

PARITY = Training(kind="parity", mixer="addition", learning_rate=1e-3, weight_decay=1e-5, batch=64, epochs=2)

Codes = Mapping[str, Heldout]


def worth(
    degraded: float | None,
    *,
    available: float = 0.98,
    reach: float = 0.001,
    carriers: tuple[int, ...] = PLAIN,
    workers: int = 3,
) -> Heldout:
    """Return figures of a code that is right about given shares; the intervals reach as far on both sides."""
    whole = around(available, reach)
    made = Availability(available=whole, degraded=None, carriers=carriers, workers=workers)
    if degraded is not None:
        made = replace(made, degraded=around(degraded, reach))
        known = ((late, made.overall_accuracy(late)) for late in LATE_SHARES)
        points = (OverallPoint(late=late, accuracy=around(mean, reach)) for late, mean in known if mean is not None)
        made = replace(made, overall=tuple(points))
    return replace(heldout(0.01), availability=made)


def around(mean: float, reach: float) -> Interval:
    return Interval(mean=mean, low=mean - reach, high=mean + reach)


def study(
    name: str, codes: Codes, *, sizes: tuple[int, int] = (2, 3), count: int = 1, design: Design | None = None
) -> TunedTable:
    """Return the table of a study with one S; `tuned` is among the codes."""
    table = tuned_table(stragglers=(count,))
    (entry,) = table.entries
    baselines = {code: judged for code, judged in codes.items() if code != "tuned"}
    queries, workers = sizes
    entry = replace(entry, queries=queries, workers=workers, heldout=codes["tuned"], baselines=baselines)
    return replace(table, study=name, entries=(replace(entry, design=design or entry.design),))


def trained(name: str, codes: Codes, *, sizes: tuple[int, int] = (2, 3), training: Training = PARITY) -> TunedTable:
    """Return the table of a study of trained codes."""
    design = Design(nodes="systematic", decode_space="logits-softmax", decoder="subtraction", training=training)
    table = study(name, codes, sizes=sizes, design=design)
    return replace(table, entries=tuple(replace(entry, networks="0" * 64) for entry in table.entries))


def setting_of(codes: Codes) -> Setting:
    """Return the one setting of one study."""
    (setting,) = Comparison.of([study("nercc", codes)]).settings
    return setting


def small_comparison() -> Comparison:
    """Return parity models beside NeRCC at K = 2 and 3 with a worker more, S = 1, and NeRCC alone at S = 2."""
    uncoded = {"uncoded": worth(0.1), "default": worth(0.05)}
    tables = []
    for queries in (2, 3):
        sizes, loss = (queries, queries + 1), 0.02 * queries
        codes = {"tuned": worth(0.93 - loss), "bacc": worth(0.9 - loss, available=0.96, carriers=(2,)), **uncoded}
        tables.append(study(f"nercc-K{queries}", codes, sizes=sizes))
        tables.append(trained(f"parity-K{queries}", {"tuned": worth(0.95 - loss, available=0.97)}, sizes=sizes))
    tables.append(study("more", {"tuned": worth(None, carriers=(0, 0, 2)), **uncoded}, sizes=(2, 5), count=2))
    return Comparison.of(tables)

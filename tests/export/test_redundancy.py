from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.errors import TableError
from nercc_tune.export.redundancy import Level, Redundancy
from nercc_tune.records import Heldout
from tests.families import redundancy_of, shared_out, table_at, worth
from tests.variants import random_table


def _codes(agreement: float) -> dict[str, Heldout]:
    return {"tuned": worth(agreement), "replication": worth(agreement / 2)}


def _at(counts: dict[int, tuple[int, ...]]) -> Redundancy:
    """Return a family by N with its straggler counts, whose agreement tells which is which."""
    return redundancy_of({n: {s: _codes(1 - (n + s / 100) / 1000) for s in of} for n, of in counts.items()})


def _places(level: Level) -> list[tuple[int, int]]:
    return [(judged.workers, judged.stragglers) for judged in level.judged]


def test_tables_stand_in_the_order_of_their_workers() -> None:
    redundancy = redundancy_of({200: {20: _codes(0.9)}, 60: {20: _codes(0.8)}})
    assert redundancy.workers == (60, 200)
    assert [judged.redundancy for judged in redundancy.levels[0].judged] == [1.2, 4.0]
    assert [judged.study for judged in redundancy.levels[0].judged] == ["fam-N60", "fam-N200"]


def test_counts_that_all_have_are_compared_as_such() -> None:
    levels = _at({60: (5, 10), 100: (5, 10)}).levels
    assert [level.title for level in levels] == ["S = 5", "S = 10"]
    assert [_places(level) for level in levels] == [[(60, 5), (100, 5)], [(60, 10), (100, 10)]]


@pytest.mark.parametrize("shares", [(0.05, 0.1, 0.2, 0.4), (0.07, 0.33), (0.5,)])
@pytest.mark.parametrize("workers", [(12, 20, 40), (60, 75, 100, 150, 200), (7, 11, 13, 1000)])
def test_counts_that_are_shares_are_compared_share_by_share(
    shares: tuple[float, ...], workers: tuple[int, ...]
) -> None:
    counts = {n: {share: max(1, round(share * n)) for share in shares} for n in workers}
    levels = _at({n: tuple(sorted(set(of.values()))) for n, of in counts.items()}).levels
    most = counts[workers[-1]]
    assert [level.title for level in levels] == [f"S = {100 * most[s] / workers[-1]:.3g} % of N" for s in shares]
    for level, share in zip(levels, shares, strict=True):
        assert _places(level) == [(n, counts[n][share]) for n in workers]
        assert level.absent == ()


def test_what_a_number_of_workers_was_not_judged_with_is_left_out_and_said() -> None:
    level = _at({50: (5,), 100: (10, 40)}).levels[1]
    assert (_places(level), level.absent) == ([(100, 40)], (50,))


def test_what_was_asked_for_is_the_least_count_that_is_not_below_it() -> None:
    redundancy = _at({50: (5, 10), 100: (5, 20), 200: (10, 40)})
    assert _places(redundancy.at_least([10, 20, 40], title="S = 20 %")) == [(50, 10), (100, 20), (200, 40)]
    assert redundancy.at_least([10, 20, 40], title="S = 20 %").title == "S = 20 %"
    level = redundancy.at_least([6, 6, 6], title="S = 6")
    assert level.title == "S = 6, or the next above that was judged"
    assert _places(level) == [(50, 10), (100, 20), (200, 10)]
    level = redundancy.at_least([15, 15, 15], title="S = 15")
    assert (_places(level), level.absent) == ([(100, 20), (200, 40)], (50,))


def test_more_stragglers_than_were_judged_are_refused() -> None:
    with pytest.raises(TableError, match=r"`fam` was judged with at most 10 of 50, 20 of 100 stragglers; ask for no"):
        _at({50: (10,), 100: (20,)}).at_least([21, 21], title="S = 21")


def test_where_the_number_is_random_the_policies_are_compared() -> None:
    straggling = {"model": "independent", "probability": 0.3}
    tables = [replace(random_table(), study=f"fam-N{n}", straggling=straggling) for n in (100, 200)]
    tables[0] = replace(
        tables[0],
        entries=tuple(replace(entry, workers=100, stragglers=entry.stragglers // 2) for entry in tables[0].entries),
    )
    redundancy = Redundancy.of("fam", tables)
    (level,) = redundancy.levels
    assert (level.title, redundancy.has_random_count) == ("a random S", True)
    assert [(judged.workers, judged.count) for judged in level.judged] == [(100, "all"), (200, "all")]
    assert [judged.codes["policy"] for judged in level.judged] == [table.policy.heldout for table in tables]
    with pytest.raises(TableError, match="the number of stragglers is random; leave `--stragglers` out"):
        redundancy.at_least([1, 1], title="S = 1")


def test_every_code_that_was_judged_is_there() -> None:
    for level in shared_out().levels:
        for judged in level.judged:
            assert set(judged.codes) == {"tuned", "bacc", "nercc_ag", "replication", "uncoded"}


def test_no_table_is_refused() -> None:
    with pytest.raises(TableError, match="no study of the family `fam` is finished; run `nercc-tune launch` first"):
        Redundancy.of("fam", [])


def test_tables_that_differ_in_more_than_workers_are_refused() -> None:
    first, second = table_at(60, {5: _codes(0.9)}), table_at(100, {5: _codes(0.9)})
    others = [
        replace(second, workload=replace(second.workload, fingerprint="0" * 64)),
        replace(second, straggling={"model": "worst"}),
        replace(second, entries=(replace(second.entries[0], queries=49),)),
    ]
    for other in others:
        with pytest.raises(TableError, match="`fam-N60` and `fam-N100` differ in more than the number of workers"):
            Redundancy.of("fam", [first, other])

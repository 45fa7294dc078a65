"""Looking for the least that holds."""

from __future__ import annotations

from nercc_tune.planning.candidates import Candidate, Draws, Ground, Stage
from nercc_tune.planning.kinds import SIZE, kinds_of
from nercc_tune.planning.search import Seen, least_size, search
from tests.planning.tables import conditions, silent, to_plan


def test_of_sizes_that_hold_from_one_on_the_least_is_found() -> None:
    for least in range(1, 41):
        looks: list[int] = []

        def holds(size: int, least: int = least, looks: list[int] = looks) -> bool:
            looks.append(size)
            return size >= least

        assert least_size(holds, low=0, high=40) == least
        assert len(looks) <= 20


def test_what_holds_only_for_some_sizes_is_found_before_greater_ones() -> None:
    assert least_size(lambda size: 8 <= size <= 11, low=0, high=1000) == 8
    assert least_size(lambda _: False, low=0, high=1000) is None


def test_plain_workers_are_as_few_as_one_by_one_finds() -> None:
    given = conditions()
    kind = kinds_of(given, ())[0][0]
    ground = Ground(given)
    found = search(kind, ground, seed=0, tell=silent)
    least = min(seen.candidate.workers for seen in found if seen.worst <= 0)

    def holds(workers: int) -> bool:
        run = ground.run(Candidate.of(kind, {SIZE: workers}), Draws(stage=Stage.SEARCH))
        return run.percentile_s(99) <= 0.08

    assert holds(least)
    assert not holds(least - 1)


def test_what_is_cut_short_would_not_hold() -> None:
    given = conditions()
    ground, draws = Ground(given), Draws(stage=Stage.SEARCH)
    cut = 0
    for size in range(3, 9):
        candidate = Candidate.of(kinds_of(given, ())[0][0], {SIZE: size})
        _, is_cut = ground.run_unless_hopeless(candidate, draws)
        cut += is_cut
        if is_cut:
            assert ground.run(candidate, draws).percentile_s(99) > 0.08
    assert cut > 0


def test_seeds_decide_and_every_setting_is_simulated_once() -> None:
    given = conditions()
    kinds, absent = kinds_of(given, (to_plan(),))
    assert not absent
    for kind in kinds[2:]:
        one, same = (search(kind, Ground(given), seed=3, tell=silent) for _ in range(2))
        assert _keys(one) == _keys(same)
        settings = [seen.candidate.settings for seen in one]
        assert len(set(settings)) == len(settings) >= given.trials


def _keys(found: tuple[Seen, ...]) -> list[tuple[object, float]]:
    return [(seen.candidate.settings, seen.worst) for seen in found]

from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.records import Interval
from nercc_tune.service.commands import Tally
from nercc_tune.service.disturbance import Disturbance
from nercc_tune.service.schemes import plain
from nercc_tune.service.summary import TailSummary, summarise
from studies import parm_simulated as study

_SMALL = study.Setting(queries=800)


def _summary(scheme: str, *, p50_s: float, p999_s: float) -> TailSummary:
    measured = _SMALL.run(study.parm(2), seed=0)
    whole = summarise([replace(measured, tally=Tally(busy_s=1.0, refused=1))] * 2)
    p50, p999 = (Interval(mean=at, low=at, high=at) for at in (p50_s, p999_s))
    return replace(whole, scheme=scheme, p50_s=p50, p999_s=p999)


def test_what_the_published_gains_say_of_equal_resources() -> None:
    """A tail of 0.52 E that is 3.5 times closer to the median."""
    tail = study.TAIL_TO_MEDIAN
    pair = [_summary(study.EQUAL, p50_s=1.0, p999_s=tail), _summary(study.PARM, p50_s=1.0, p999_s=0.52 * tail)]
    assert study.gain(pair) == pytest.approx(0.48)
    assert study.closer(pair) == pytest.approx(3.5, abs=0.02)


@pytest.mark.parametrize("k", study.KS)
def test_all_rivals_but_one_have_the_same_machines(k: int) -> None:
    first, *others = study.rivals(k)
    assert first.workers == 12
    assert {scheme.workers for scheme in others} == {12 + 12 // k}
    assert len({scheme.name for scheme in [first, *others]}) == 7


@pytest.mark.parametrize("k", study.KS)
def test_both_codes_cost_the_same(k: int) -> None:
    tasks = [len(scheme.tasks) / scheme.queries for scheme in (study.parm(k), study.nercc(k))]
    assert tasks == pytest.approx([1 + 1 / k] * 2)


def test_the_disturbance_is_set_on_equal_resources() -> None:
    setting = _SMALL.set_on_rival()
    measured = setting.run(plain(18), seed=0)
    assert setting.disturbance.factor > 1
    assert measured.percentile_s(99.9) / measured.percentile_s(50) == pytest.approx(study.TAIL_TO_MEDIAN, rel=0.05)


def test_without_disturbance_there_is_nothing_to_gain() -> None:
    slow = replace(_SMALL, disturbance=Disturbance(pairs=4, factor=1.0), queries=500)
    for scheme in (plain(18), study.parm(2)):
        assert slow.run(scheme, seed=1).percentile_s(50) == pytest.approx(0.025)


def test_tables_have_a_row_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = replace(_SMALL, queries=100).disturbed(1.4)
    found = {2: [study.repeat(setting, scheme, repeats=2) for scheme in study.rivals(2)]}
    rows = study.rivals_table(found).splitlines()
    assert len(rows) == 2 + 7
    assert len({row.count("|") for row in rows}) == 1
    some = dict(list(study.variants(setting).items())[:2])
    monkeypatch.setattr(study, "variants", lambda _: some)
    rows = study.variants_table(replace(_SMALL, queries=300), repeats=2).splitlines()
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == list(some)

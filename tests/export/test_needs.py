from __future__ import annotations

import json

import pytest

from nercc_tune.export.needs import Need, describe_need, find_need
from nercc_tune.records import Heldout, to_json
from tests.families import redundancy_of, worth


def _need(figures: dict[int, dict[str, Heldout]], floor: float) -> Need:
    (level,) = redundancy_of({workers: {5: codes} for workers, codes in figures.items()}).levels
    return find_need(level, floor)


def _answer(need: Need) -> tuple[int, str, str]:
    return need.best.judged.workers, need.best.code, need.best.verdict


def test_the_fewest_workers_whose_lower_bound_holds_the_floor_win() -> None:
    need = _need(
        {
            60: {"tuned": worth(0.98), "replication": worth(0.97)},
            75: {"tuned": worth(0.97), "replication": worth(0.993, reach=0.002)},
            100: {"tuned": worth(1.0), "replication": worth(0.999)},
        },
        0.99,
    )
    assert _answer(need) == (75, "replication", "holds")
    assert [choice.verdict for choice in need.choices] == ["does not hold", "holds", "holds"]


def test_a_lower_bound_goes_before_fewer_workers_whose_mean_holds() -> None:
    need = _need({60: {"tuned": worth(0.995, reach=0.01)}, 100: {"tuned": worth(0.995, reach=0.004)}}, 0.99)
    assert _answer(need) == (100, "tuned", "holds")
    assert need.choices[0].verdict == "holds on average"


def test_where_only_means_hold_the_fewest_workers_are_named_as_such() -> None:
    need = _need(
        {
            60: {"tuned": worth(0.98), "bacc": worth(0.9)},
            75: {"tuned": worth(0.98), "bacc": worth(0.991, reach=0.01)},
            100: {"tuned": worth(0.999, reach=0.01), "bacc": worth(0.9)},
        },
        0.99,
    )
    assert _answer(need) == (75, "bacc", "holds on average")


def test_where_none_holds_the_nearest_is_named() -> None:
    need = _need({60: {"tuned": worth(0.7), "bacc": worth(0.8)}, 100: {"tuned": worth(0.9), "bacc": worth(0.6)}}, 0.99)
    assert _answer(need) == (100, "tuned", "does not hold")
    assert [choice.code for choice in need.choices] == ["bacc", "tuned"]


def test_of_codes_that_hold_with_equally_many_workers_the_least_error_wins() -> None:
    codes = {
        "tuned": worth(0.995, prob_mse=0.02),
        "bacc": worth(1.0, prob_mse=0.03),
        "uncoded": worth(0.992, prob_mse=0.01),
    }
    assert _answer(_need({60: codes}, 0.99)) == (60, "uncoded", "holds")


@pytest.mark.parametrize("floor", [0.5, 0.9, 0.99, 1.0])
def test_a_bound_that_is_the_floor_holds_it(floor: float) -> None:
    assert _answer(_need({60: {"tuned": worth(floor)}}, floor)) == (60, "tuned", "holds")


def test_a_higher_floor_never_takes_fewer_workers() -> None:
    figures = {
        n: {"tuned": worth(1 - 10 / n, reach=1 / n), "bacc": worth(1 - 8 / n, reach=4 / n)} for n in (60, 100, 200)
    }
    needs = [_need(figures, floor) for floor in (0.5, 0.8, 0.85, 0.9, 0.93, 0.95)]
    workers = [need.best.judged.workers for need in needs if need.best.verdict == "holds"]
    assert workers == sorted(workers)
    assert len(set(workers)) > 1


def test_it_is_described_as_json() -> None:
    need = _need({60: {"tuned": worth(0.9)}, 75: {"tuned": worth(0.7), "replication": worth(1.0)}}, 0.95)
    described = json.loads(json.dumps(describe_need(need), allow_nan=False))
    assert (described["stragglers"], described["floor"], described["absent"]) == ("S = 5", 0.95, [])
    assert described["best"] == described["choices"][1]
    assert described["best"] == {
        "verdict": "holds",
        "study": "fam-N75",
        "workers": 75,
        "queries": 50,
        "redundancy": 1.5,
        "stragglers": "5",
        "code": "replication",
        "design": None,
        "agreement": to_json(worth(1.0).agreement),
        "prob_mse": to_json(worth(1.0).prob_mse),
    }
    assert described["choices"][0]["design"] == "chebyshev, probabilities"


def test_the_default_prediction_is_never_what_is_needed() -> None:
    codes = {"tuned": worth(0.9), "default": worth(0.999, prob_mse=0.0)}
    assert _answer(_need({60: codes}, 0.99)) == (60, "tuned", "does not hold")

from __future__ import annotations

from nercc_tune.export.comparison import Comparison
from nercc_tune.reporting.pictures.comparison import codes_in_order, degraded_panels
from tests.comparing import small_comparison, study, worth


def test_studies_codes_go_before_baselines_in_their_usual_order() -> None:
    assert list(codes_in_order(small_comparison())) == [
        "tuned NeRCC",
        "parity model on addition",
        "BACC",
        "uncoded",
        "default prediction",
    ]


def test_degraded_accuracies_stand_by_queries_where_as_many_workers_and_stragglers_more() -> None:
    comparison = small_comparison()
    (panel,) = degraded_panels(comparison)
    assert panel.title == "N = K + 1, S = 1"
    assert list(panel.series) == list(codes_in_order(comparison))
    for name, points in panel.series.items():
        for setting in (comparison.settings[0], comparison.settings[2]):
            (code,) = [code for code in setting.codes if code.name == name]
            assert points[setting.queries] == code.degraded
        assert list(points) == [2, 3]


def test_one_number_of_queries_makes_no_panel() -> None:
    tables = [study(name, {"tuned": worth(0.9)}, count=count) for name, count in (("a", 1), ("c", 2))]
    assert degraded_panels(Comparison.of(tables)) == ()
    tables.append(study("b", {"tuned": worth(0.9)}, sizes=(3, 5)))  # a worker more
    assert degraded_panels(Comparison.of(tables)) == ()


def test_codes_that_degrade_nothing_are_left_out() -> None:
    tables = [study(f"K{k}", {"tuned": worth(None), "bacc": worth(0.9)}, sizes=(k, k + 1)) for k in (2, 3, 4)]
    (panel,) = degraded_panels(Comparison.of(tables))
    assert {name: list(points) for name, points in panel.series.items()} == {"BACC": [2, 3, 4]}

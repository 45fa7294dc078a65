from __future__ import annotations

import json

from nercc_tune.export.compared_json import describe_comparison
from nercc_tune.export.comparison import COMPARED_SHARES
from nercc_tune.export.stretches import find_stretches, sentence_of
from nercc_tune.records import to_json
from tests.comparing import small_comparison


def test_everything_of_a_comparison_is_json() -> None:
    comparison = small_comparison()
    described = json.loads(json.dumps(describe_comparison(comparison), allow_nan=False))
    assert (described["workload"], described["studies"]) == ("lenet5 on mnist", list(comparison.studies))
    for values, setting in zip(described["settings"], comparison.settings, strict=True):
        assert (values["queries"], values["workers"], values["stragglers"]) == (
            setting.queries,
            setting.workers,
            setting.count,
        )
        assert values["sentence"] == sentence_of(setting)
        assert values["deploy"] == [
            {"upto": each.upto, "code": each.best.name, "ties_with": [code.name for code in each.ties]}
            for each in find_stretches(setting)
        ]
        for of, code in zip(values["codes"], setting.codes, strict=True):
            assert (of["name"], of["code"], of["study"], of["design"]) == (
                code.name,
                code.code,
                code.study,
                code.design,
            )
            assert of["prob_mse"] == to_json(code.heldout.prob_mse)
            assert of["degraded"] == (code.degraded and to_json(code.degraded))
            for point, late in zip(of["overall"], COMPARED_SHARES, strict=True):
                overall = code.overall(late)
                assert overall is not None
                assert (point["late"], point["accuracy"]) == (late, to_json(overall.accuracy))
                assert (point["is_bound"], point["standing"]) == (overall.is_bound, setting.standing(code, late))


def test_what_is_not_known_is_null() -> None:
    described = describe_comparison(small_comparison())
    tuned = described["settings"][1]["codes"][0]
    assert tuned["degraded"] is None
    assert all(point["is_bound"] for point in tuned["overall"])
    assert described["settings"][0]["other_draws"] == ["parity-K2"]

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest

from nercc_tune.export.blocks import UNDEFINED
from nercc_tune.export.formats import export_table
from nercc_tune.export.frame import table_frame
from nercc_tune.export.table import TunedTable, parse_table
from nercc_tune.export.wrong_answers import write_bare_percent, write_ratio, wrong_answer_blocks, wrong_answers_of
from nercc_tune.records import Interval, Kernel
from tests.builders import study_history, tuned_table
from tests.variants import DISTRUST, FOUND, random_table, with_wrong_answers


@pytest.fixture(scope="module")
def table() -> TunedTable:
    return TunedTable.from_history(with_wrong_answers(study_history(stragglers=(20, 80))))


def _block(text: str, title: str) -> list[list[str]]:
    body = text.partition(f"**{title}**\n\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]


def test_a_study_without_wrong_answers_says_nothing_of_them() -> None:
    for older in (tuned_table(), random_table()):
        assert wrong_answers_of(older) == {}
        assert wrong_answer_blocks(older) == ()
        assert "wrong" not in export_table(older, format="markdown").decode()
        assert "wrong" not in export_table(older, format="latex").decode()


def test_markdown_has_a_row_for_each_count_and_kind(table: TunedTable) -> None:
    head, rule, *rows = _block(export_table(table, format="markdown").decode(), "Wrong answers")
    assert head[:6] == ["S", "kind", "wrong", "found, %", "missed, %", "falsely accused, %"]
    assert head[6:] == ["MSE in probabilities", "MSE in probabilities of the oracle", "ratio"]
    assert rule[:3] == ["--:", ":--", "--:"]
    assert [row[:2] for row in rows] == [[count, kind] for count in ("20", "80") for kind in FOUND]
    assert rows[0][2:6] == ["6000", "97.8", "2.2", "0.03"]
    assert rows[0][6:] == ["0.00239 [0.00216, 0.00268]", "0.00230 [0.00207, 0.00258]", "1.04 [0.94, 1.16]"]


def test_markdown_says_what_distrust_costs_where_nothing_is_wrong(table: TunedTable) -> None:
    head, _, first, _ = _block(export_table(table, format="markdown").decode(), "Where no answer is wrong")
    assert head[3:] == ["cost of distrust, %", "false alarms, %", "bound"]
    assert first[0] == "20"
    assert first[3:] == ["1.1 [0.6, 1.8]", "0.12", "3"]


def test_what_is_not_defined_is_a_dash(table: TunedTable) -> None:
    first = table.entries[0]
    assert first.wrong_answers is not None
    (kind, *_) = first.wrong_answers.detections
    none = replace(kind, wrong=0, found=0, ratio=None)
    odd = replace(first, wrong_answers=replace(first.wrong_answers, detections=(none,), cost=None))
    kinds, cost = wrong_answer_blocks(replace(table, entries=(odd,)))
    assert kinds.rows[0][2:5] == ("0", "–", "–")
    assert kinds.rows[0][-1] == "–"
    assert cost.rows[0][3] == "–"


@pytest.mark.parametrize(("share", "written"), [(0, "0"), (1.0, "100"), (0.001234, "0.123"), (math.nan, "–")])
def test_a_share_without_interval_has_three_digits(share: float, written: str) -> None:
    assert write_bare_percent(share) == written


def test_latex_adds_two_balanced_blocks_that_its_caption_names(table: TunedTable) -> None:
    text = export_table(table, format="latex").decode()
    assert text.isascii()
    assert text.count(r"\begin{tabular}") == 5
    assert "; below: wrong answers and where no answer is wrong." in text
    assert r"$20$ & sign-flip & $6000$ & $97.8$ & $2.2$ & $0.03$ & " in text
    assert text.count("{") == text.count("}")
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\S+)\}\n(.*?)\\end\{tabular\}", text, flags=re.DOTALL):
        count = len(columns.replace("p{2.4cm}", "l"))
        assert {line.count(" & ") + 1 for line in body.splitlines() if " & " in line} == {count}


def test_how_a_code_distrusts_stands_beside_its_design_though_that_is_the_baselines(table: TunedTable) -> None:
    text = export_table(table, format="markdown").decode()
    head, _, first, *_ = _block(text, "Tuned pairs")
    assert dict(zip(head, first, strict=True))["code"] == "chebyshev, probabilities, residuals beyond 4.2"
    *_, single = _block(text, f"Policy: one encoder for every S ({table.policy.design.label})")
    assert "chebyshev, probabilities, residuals beyond 4.2" in single
    kriging = replace(table.entries[0], kernel=Kernel(range=2.0), lambda_dec=0.0)
    text = export_table(replace(table, entries=(kriging, *table.entries[1:])), format="markdown").decode()
    assert "(ν 1.5, ℓ 2), residuals beyond 4.2" in text


def test_the_frame_holds_how_a_code_distrusts(table: TunedTable) -> None:
    frame = table_frame(table)
    assert frame["distrust_kind"].tolist() == ["residuals"] * 2
    assert frame["single_distrust_kind"].tolist() == ["residuals"] * 2
    assert frame["distrust_level"][0] == DISTRUST.level
    assert (frame["distrust_scale"][1], frame["distrust_most"][1]) == (DISTRUST.scale, DISTRUST.most)
    assert frame["policy_distrust_kind"].tolist() == [""] * 2
    assert frame["policy_distrust_level"].isna().all()
    plain = table_frame(tuned_table())
    assert (plain["distrust_kind"] == "").all()
    assert plain["distrust_level"].isna().all()


def test_the_frame_holds_what_came_of_every_kind(table: TunedTable) -> None:
    frame = table_frame(table)
    for at, entry in enumerate(table.entries):
        assert entry.wrong_answers is not None
        assert frame["wrong_bound"][at] == entry.wrong_answers.bound
        assert frame["none_wrong_trusting_prob_mse_low"][at] == entry.wrong_answers.none_wrong_trusting.low
        for item in entry.wrong_answers.detections:
            assert frame[f"wrong_answers_{item.kind}"][at] == item.wrong
            assert frame[f"wrong_found_{item.kind}"][at] == item.found / item.wrong
            assert frame[f"wrong_accused_{item.kind}"][at] == item.accused / item.right
            assert frame[f"wrong_oracle_prob_mse_{item.kind}_high"][at] == item.oracle.high


def test_a_kind_that_only_one_count_has_is_nan_at_the_others(table: TunedTable) -> None:
    first = table.entries[0]
    assert first.wrong_answers is not None
    fewer = replace(first.wrong_answers, detections=first.wrong_answers.detections[:1], cost=None)
    frame = table_frame(replace(table, entries=(replace(first, wrong_answers=fewer), *table.entries[1:])))
    assert frame["wrong_found_nan"].isna().tolist() == [True, False]
    assert frame["distrust_cost"].isna().tolist() == [True, False]
    without = table_frame(tuned_table())
    assert without["wrong_bound"].isna().all()
    assert without["none_wrong_prob_mse_high"].isna().all()
    assert not any(str(name).startswith("wrong_found") for name in without)


def test_what_is_not_defined_is_told_as_such(table: TunedTable) -> None:
    entry = table.entries[0]
    assert entry.wrong_answers is not None
    (first, *_) = entry.wrong_answers.detections
    figures = replace(first, wrong=0, found=0, ratio=None).figures()
    assert (figures["wrong_found_sign-flip"], figures["wrong_ratio_sign-flip"]) == (None, None)
    assert figures["wrong_accused_sign-flip"] == first.accused / first.right
    assert isinstance(figures["wrong_prob_mse_sign-flip"], Interval)


def test_a_table_with_wrong_answers_read_back_is_equal_and_one_without_keeps_its_digest(table: TunedTable) -> None:
    assert parse_table(table.to_json()) == table
    values = json.loads(tuned_table().to_json())
    assert not {"distrust", "wrong_answers"} & set(values["entries"][0])


def test_a_ratio_to_next_to_no_error_is_told_without_digits() -> None:
    assert write_ratio(Interval(mean=1.1, low=1.0, high=2.5e10)) == "1.10 [1.00, >1000]"
    assert write_ratio(Interval(mean=2e12, low=1e12, high=3e12)) == ">1000 [>1000, >1000]"
    assert write_ratio(None) == UNDEFINED

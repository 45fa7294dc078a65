"""The table of a bench says what its results say."""

from __future__ import annotations

from dataclasses import replace

from nercc_tune.service.bench_results import BenchResults
from nercc_tune.terminal.tails import notes_of_bench, tables_of_bench
from tests.service.results import bench_results
from tests.terminal.shown import shown


def _text(results: dict[str, BenchResults]) -> str:
    return "\n".join(shown(table) for table in tables_of_bench(results))


def test_every_code_has_its_percentiles_in_milliseconds() -> None:
    results = bench_results()
    text = _text({"bench": results})
    (setting,) = results.at_rates()
    for code in setting.runs:
        summary = setting.summary(code)
        assert summary.p50_s is not None
        assert code in text
        assert f"{summary.p50_s.mean * 1e3:.1f}" in text
    assert "20 queries/s, repeats: 3" in text


def test_the_tail_is_compared_with_equal_resources() -> None:
    (setting,) = bench_results().at_rates()
    assert "-33%" in _text({"bench": bench_results()})  # it is half as slow again
    assert "to equal" not in _text({"bench": bench_results(("coded", "hedging"))})
    assert setting.change("coded", to="equal-resources") is not None


def test_what_is_not_known_is_a_dash() -> None:
    rows = [line for line in _text({"bench": bench_results(has_refused=True)}).splitlines() if "coded" in line]
    assert "–" in rows[0]  # p99.9 of 400 of which one was refused


def test_of_several_files_each_table_is_named() -> None:
    text = _text({"calm": bench_results(), "wild": bench_results(rates=(40.0,))})
    assert "calm: lenet5-digits, 20 queries/s" in text
    assert "wild: lenet5-digits, 40 queries/s" in text


def test_notes_say_how_it_was_measured() -> None:
    notes = "\n".join(notes_of_bench(bench_results(has_refused=True)))
    for words in ("stated 25 ms", "12 machines", "500 queries", "first 20 %", "disturbed", "refused: too many wait"):
        assert words in notes
    assert "too busy" not in notes


def test_a_busy_machine_is_told() -> None:
    results = bench_results()
    late = replace(results, runs=(replace(results.runs[0], late_us=40_000), *results.runs[1:]))
    assert "in 1 of 6 measurements the sender itself was late by up to 40 ms" in "\n".join(notes_of_bench(late))

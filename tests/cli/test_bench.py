"""`nercc-tune bench` on the home of a tiny launch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nercc_tune.home import Home
from nercc_tune.service.bench import EngineBench, Trial
from nercc_tune.service.bench_results import BenchRun, read_results
from nercc_tune.tracking.bench import bench_experiment
from nercc_tune.tracking.silent import MlflowClient
from tests.fakes import finished_home, loader, tiny_workload, write_trace
from tests.program import assert_one_line, run_program
from tests.service.results import bench_results

FAST = ("--rate", "200", "--queries", "40", "--repeats", "2")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr("nercc_tune.service.bench_target.load_workload", loader(tiny_workload()))
    return finished_home(Path("nercc-home"))


@pytest.fixture
def files() -> list[Path]:
    """Write two results files."""
    paths = [Path("calm") / "bench.json", Path("wild") / "bench.json"]
    for path, results in zip(paths, (bench_results(), bench_results(rates=(40.0,))), strict=True):
        path.parent.mkdir()
        path.write_text(results.to_json(), encoding="utf-8")
    return paths


def test_rivals_are_measured_shown_kept_and_tracked(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = ("-c", "coded", "-c", "equal-resources", "-c", "coded,deadline_ms=50")
    assert run_program(monkeypatch, "bench", "tiny", *FAST, *codes, "-o", "out") == 0
    shown = capsys.readouterr()
    assert "tiny, 200 queries/s, repeats: 2" in shown.out
    assert "12 machines for each code" in shown.out
    results = read_results(Path("out/bench.json"))
    assert results.settings.codes == ("coded", "equal-resources", "coded,deadline_ms=50")
    assert [(run.code, run.repeat) for run in results.runs[:4]] == [
        ("coded", 0), ("equal-resources", 0), ("coded,deadline_ms=50", 0), ("coded", 1)
    ]  # fmt: skip
    exact = [run.measured.agrees for run in results.runs if run.code == "equal-resources"]
    assert all(each is not None and each.all() for each in exact)
    assert sorted(path.name for path in Path("out").iterdir()) == ["bench.json", "error_tail.png", "tails.png"]
    client = MlflowClient(home.tracking_url)
    experiment = client.get_experiment_by_name(bench_experiment("tiny"))
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 4


def test_the_simulator_gives_times_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--engine", "simulated", "--slowness", "disturbed:pairs=1,factor=3", "--service-ms", "5", "--json")
    assert run_program(monkeypatch, "bench", "tiny", *FAST, *options, "-c", "equal-resources") == 0
    (found,) = json.loads(capsys.readouterr().out)["bench"]["results"]
    assert found["repeats"] == 2
    assert found["summary"]["agreement"] is None
    assert 5e-3 <= found["summary"]["p50_s"]["mean"] < 0.1  # as long as it took, on a machine that may be busy
    assert [path.name for path in home.study("tiny").glob("bench-*/bench.json")] == ["bench.json"]


def test_results_name_a_trace_without_its_place(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("secret").mkdir()
    write_trace(Path("secret") / "job.csv", workers=3, iterations=4)
    options = ("--engine", "simulated", "--slowness", "trace:secret/job.csv", "-c", "equal-resources", "-o", "out")
    assert run_program(monkeypatch, "bench", "tiny", *FAST, *options) == 0
    shown, text = capsys.readouterr(), Path("out/bench.json").read_text()
    assert "slowness: trace:job.csv" in shown.out
    assert "secret" not in shown.out + text
    assert str(home.root.absolute()) not in text


@pytest.mark.usefixtures("home")
def test_an_interruption_keeps_what_is_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measure = EngineBench.__call__

    def interrupted(self: EngineBench, trial: Trial) -> BenchRun:
        if (trial.code, trial.repeat) == ("none", 1):
            raise KeyboardInterrupt
        return measure(self, trial)

    monkeypatch.setattr(EngineBench, "__call__", interrupted)
    code = run_program(monkeypatch, "bench", "tiny", *FAST, "-c", "equal-resources", "-c", "none", "-o", "out")
    assert code == 130
    assert "repeats: 2" in capsys.readouterr().out
    runs = read_results(Path("out/bench.json")).runs
    assert [(run.code, run.repeat) for run in runs] == [("equal-resources", 0), ("none", 0), ("equal-resources", 1)]


def test_results_are_drawn_again_and_compared(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [option for path in files for option in ("--results", str(path))]
    assert run_program(monkeypatch, "bench", *options, "-o", "figures", "-f", "svg") == 0
    shown = capsys.readouterr().out
    assert "calm: lenet5-digits, 20 queries/s" in shown
    assert "wild: lenet5-digits, 40 queries/s" in shown
    assert sorted(path.name for path in Path("figures").iterdir()) == ["error_tail.svg", "tails.svg"]
    assert run_program(monkeypatch, "bench", "--results", str(files[0]), "--json") == 0
    assert list(json.loads(capsys.readouterr().out)) == ["calm"]


_BAD = {
    "nothing": ([], "say what to measure and how fast"),
    "no rate": (["tiny"], "say what to measure and how fast"),
    "no such study": (["tinny", "--rate", "5"], "tinny"),
    "no such code": (["tiny", "--rate", "5", "-c", "raid"], "a code must be one of"),
    "a code twice": (["tiny", "--rate", "5", "-c", "none", "-c", "none"], "the codes must differ"),
    "no rate at all": (["tiny", "--rate", "0"], "`--rate` must be positive"),
    "no time": (["tiny", "--rate", "5", "--service-ms", "0"], "`--service-ms` must be positive"),
    "too few workers": (["tiny", "--rate", "5", "--workers", "7", "-c", "coded"], "must be a multiple"),
    "no parity models": (["tiny", "--rate", "5", "-c", "parity"], "must have a table of a trained code"),
    "no slowness": (["tiny", "--rate", "5", "--slowness", "moody"], "Cannot use the slowness moody"),
    "too many pairs": (["tiny", "--rate", "5", "--slowness", "disturbed:pairs=9,factor=2"], "2 * pairs <= workers"),
    "no arrivals": (["tiny", "--rate", "5", "--arrivals", "none.txt"], "none.txt` cannot be read"),
    "no results": (["--results", "none.json"], "is no results file"),
    "results and a study": (["tiny", "--results", "none.json"], "leave the study out"),
    "slowness elsewhere": (["tiny", "--rate", "5", "--url", "http://x", "--slowness", "none2"], "as it is"),
    "no service": (["tiny", "--rate", "5", "--url", "http://127.0.0.1:9"], "cannot be reached"),
}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("arguments", "message"), _BAD.values(), ids=list(_BAD))
def test_what_cannot_be_meant_is_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(monkeypatch, "bench", *arguments) == 2
    assert_one_line(capsys.readouterr().err.lstrip(), message)  # where a bar was, is an empty line

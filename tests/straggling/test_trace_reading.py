from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import csv, parquet

from nercc_tune.errors import TraceError
from nercc_tune.straggling import WorkerGamma, read_trace, trace_reading

_LATENCIES = WorkerGamma(workers=4, shape=2.0, scale=1.0, spread=0.5, correlation=0.5).sample(6, seed=0)
_SUFFIXES = (".csv", ".parquet")


def _write(columns: dict[str, NDArray[np.generic]], path: Path) -> Path:
    table = pa.table({name: column.tolist() for name, column in columns.items()})
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)
    return path


def _tall(*, first_worker: int = 0, iterations: NDArray[np.int64] | None = None) -> dict[str, NDArray[np.generic]]:
    numbers = np.arange(6) if iterations is None else iterations
    return {
        "iteration": np.repeat(numbers, 4),
        "worker": np.tile(np.arange(4) + first_worker, 6),
        "latency": _LATENCIES.ravel(),
    }


def _wide(*, first_worker: int = 0) -> dict[str, NDArray[np.generic]]:
    return {f"latency_worker_{first_worker + worker}": column for worker, column in enumerate(_LATENCIES.T)}


def _shuffled(columns: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    order = np.random.default_rng(0).permutation(len(next(iter(columns.values()))))
    return {name: column[order] for name, column in columns.items()}


@pytest.mark.parametrize("suffix", _SUFFIXES)
@pytest.mark.parametrize("first_worker", [0, 1])
def test_tall_and_wide_give_the_same_trace(tmp_path: Path, suffix: str, first_worker: int) -> None:
    tall = read_trace(_write(_tall(first_worker=first_worker), tmp_path / f"tall{suffix}"))
    wide = read_trace(_write(_wide(first_worker=first_worker), tmp_path / f"wide{suffix}"))
    assert np.array_equal(tall.latencies, _LATENCIES)
    assert np.array_equal(wide.latencies, _LATENCIES)
    assert tall.latencies.dtype == wide.latencies.dtype == np.float64


@pytest.mark.parametrize("suffix", _SUFFIXES)
def test_rows_are_put_in_the_order_of_the_iterations(tmp_path: Path, suffix: str) -> None:
    numbers = np.array([3, 7, 8, 20, 100, 101])
    tall = _write(_shuffled(_tall(iterations=numbers)), tmp_path / f"tall{suffix}")
    wide = _write(_shuffled({"iteration": numbers, **_wide()}), tmp_path / f"wide{suffix}")
    assert np.array_equal(read_trace(tall).latencies, _LATENCIES)
    assert np.array_equal(read_trace(wide).latencies, _LATENCIES)


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    wide = {name: _wide()[name] for name in sorted(_wide(), reverse=True)}
    others = {"jobid": np.full(6, 3), "latency": _LATENCIES.max(axis=1), "compute_latency_worker_0": np.zeros(6)}
    assert np.array_equal(read_trace(_write(others | wide, tmp_path / "t.csv")).latencies, _LATENCIES)


def test_ten_workers_are_ordered_by_number(tmp_path: Path) -> None:
    columns: dict[str, NDArray[np.generic]] = {
        f"latency_worker_{worker}": np.full(2, worker) for worker in range(1, 12)
    }
    assert read_trace(_write(columns, tmp_path / "t.parquet")).latencies[0].tolist() == list(range(1, 12))


def test_spaces_in_names_and_cells_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "t.CSV"
    path.write_text("iteration, worker, latency\n1, 0, 0.5\n1, 1, 2\n\n2, 0, 1e-3\n2, 1, 4\n")
    assert read_trace(path).latencies.tolist() == [[0.5, 2.0], [1e-3, 4.0]]


def test_a_large_file_may_begin_with_whole_numbers(tmp_path: Path) -> None:
    # pyarrow reads blocks of 1 MiB; the type must not be that of the first one.
    latencies = np.ones(200_000)
    latencies[-1] = 0.5
    path = _write({"latency_worker_0": latencies, "latency_worker_1": latencies}, tmp_path / "t.csv")
    assert path.stat().st_size > 2**19
    path.write_text(path.read_text().replace("1,1\n", "1000,1000\n"))
    assert path.stat().st_size > 2**20
    assert read_trace(path).latencies[-1].tolist() == [0.5, 0.5]


_TALL = "iteration,worker,latency\n"
_BROKEN = {
    "empty file": ("", r"Cannot read the trace .*t\.csv: .*; write it again as \.csv\."),
    "ragged": (_TALL + "0,0,1\n0,1\n", r"Cannot read the trace .*t\.csv: .*Expected 3 columns, got 2"),
    "no rows": (_TALL, r"Cannot use the trace .*t\.csv: there are no iterations in it"),
    "columns": ("iteration:worker:latency\n", r"must be either `iteration`, .* but of these there are none;"),
    "both forms": (
        "iteration,worker,latency,latency_worker_0\n",
        r"but of these there are `iteration`, .*`latency_worker_0`;",
    ),
    "twice a column": ("iteration,worker,latency,worker\n0,0,1,0\n", r"the column `worker` is there more than once"),
    "twice a worker": (
        "latency_worker_1,latency_worker_01\n1,1\n",
        r"two columns hold the latencies of the same worker",
    ),
    "words": (_TALL + "0,0,soon\n", r"the column `latency` must hold numbers only; correct row 1\."),
    "words, wide": (
        "latency_worker_0\n1\n-inf\n",
        r"the column `latency_worker_0` must hold numbers only; correct row 2\.",
    ),
    "parts of workers": (_TALL + "0,0.5,1\n", r"the column `worker` must hold whole numbers only; correct row 1\."),
    "no iteration": (
        _TALL + "0,0,1\n,1,1\n",
        r"the column `iteration` must hold whole numbers only, but row 2 is empty",
    ),
    "start": (_TALL + "0,2,1\n1,2,1\n", r"must be consecutive from 0 or 1, but got 2 in place of 0;"),
    "negative worker": (_TALL + "0,-1,1\n1,-1,1\n", r"consecutive from 0 or 1, but got -1 in place of 0;"),
    "hole": ("latency_worker_1,latency_worker_3\n1,1\n1,1\n", r"from 0 or 1, but got 3 in place of 2; number"),
    "duplicate": (_TALL + "4,1,1\n7,2,1\n4,2,1\n7,1,1\n7,2,3\n", r"iteration 7 has more than one latency of worker 2;"),
    "duplicate, wide": (
        "iteration,latency_worker_0\n4,1\n7,1\n7,1\n",
        r"iteration 7 is there more than once; keep one",
    ),
    "zero": (_TALL + "4,1,1\n4,2,0\n7,2,-1\n7,1,1\n", r"positive, but worker 2 has 0\.0 in iteration 4; correct it \("),
    "negative": ("iteration,latency_worker_1\n7,-2\n4,-1.5\n", r"worker 1 has -1\.5 in iteration 4;"),
    "beyond float64": (_TALL + "4,1,1\n4,2,1e400\n", r"the column `latency` must hold numbers only; correct row 2\."),
    "thousands": (
        "iteration;worker;latency\n4;1;1,234\n5;1;2,345\n",
        r"commas in the latencies may be decimal or part thousands, as in 1,234; write decimal points",
    ),
    "quoted thousands": (_TALL + '4,1,"1,234"\n5,1,200\n', r"may be decimal or part thousands, as in 1,234; write"),
    "millions": ("iteration;worker;latency\n4;1;1,234,567\n", r"may be decimal or part thousands"),
    "commas and points": ("iteration;worker;latency\n4;1;0,5\n5;1;0.5\n", r"hold both commas and points; write all"),
    "both in one": ("iteration;worker;latency\n4;1;1.234,5\n", r"hold both commas and points; write all"),
    "numbered and named": (
        _TALL + "4,1,1\n4,2,1\n4,a,1\n",
        r"the column `worker` must hold whole numbers only; correct row 3\.",
    ),
    "named and numbered": (_TALL + "4,a,1\n4,b,1\n4,1,1\n", r"`worker` must hold names only; correct row 3\."),
    "a name left out": (_TALL + "4,a,1\n4,,1\n", r"`worker` must hold whole numbers only|something in every row"),
    "two that may be": (
        "step,batch,worker,latency\n0,0,0,1\n",
        r"each of the columns `step`, `batch` may be the iteration; name the one that is meant `iteration`\.",
    ),
    "two units": (
        "latency_worker_0_ms,latency_worker_1_s\n1,1\n",
        r"the workers' columns are in different units; write all of them in one\.",
    ),
    "other workers": (
        "job,iteration,worker,latency\na,0,x,1\na,1,x,1\nb,0,y,1\nb,1,y,1\n",
        r"job 1 of 2 lacks workers that others have, and a study has the same workers throughout;",
    ),
    "restarted": (_TALL + "0,0,1\n1,0,1\n0,0,1\n", r"more than one latency of worker 0; keep one of them, or say in a"),
    "a job left out": (
        "job,iteration,worker,latency\na,0,0,1\n,1,0,1\n",
        r"`job` must say something .* row 2 is empty",
    ),
}


@pytest.mark.parametrize(("text", "message"), _BROKEN.values(), ids=_BROKEN)
def test_what_is_wrong_with_a_trace_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=message) as caught:
        read_trace(path)
    assert "\n" not in str(caught.value)
    assert "remove" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", _SUFFIXES)
def test_files_that_are_not_what_they_are_called_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_bytes(b"\x89\xff\x00,\xfe\n\xff,1\n" * 3)
    with pytest.raises(TraceError, match=rf"Cannot read the trace .*t\{suffix}: .*; write it again as \{suffix}\."):
        read_trace(path)


def test_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TraceError, match=r"Cannot read the trace .*missing\.csv: there is no such file; check the path"
    ):
        read_trace(tmp_path / "missing.csv")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(TraceError, match=r"Cannot read the trace .*folder\.parquet: there is no such file"):
        read_trace(tmp_path / "folder.parquet")


_ACCOUNT = "root:x:0:0:root:/root:/bin/bash"


@pytest.mark.parametrize(
    "text",
    [
        f"{_ACCOUNT}\n{_ACCOUNT}\n",
        f"iteration,worker,latency\n0,0,{_ACCOUNT}\n",
        f"iteration,worker,latency\n{_ACCOUNT},0,1\n",
        f"iteration,worker,latency\n0,0,1\n{_ACCOUNT}\n",
        f"latency_worker_0\n{_ACCOUNT}\n",
        "iteration,worker,latency\n" + "1,2,3\n" * 300_000 + f"1,2,{_ACCOUNT}\n",  # beyond the block that tells types
    ],
    ids=["header", "latency", "iteration", "ragged", "wide", "late"],
)
def test_no_message_quotes_the_file_which_may_be_another_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "passwd").write_text(text)
    (tmp_path / "t.csv").symlink_to(tmp_path / "passwd")
    with pytest.raises(TraceError, match=r"t\.csv: .*; .*\.$|t\.csv: .*; correct row \d+\.$") as caught:
        read_trace(tmp_path / "t.csv")
    assert "root" not in str(caught.value).replace(str(tmp_path), "")


@pytest.mark.parametrize("suffix", _SUFFIXES)
def test_workers_that_never_meet_take_no_memory(tmp_path: Path, suffix: str) -> None:
    numbers = np.arange(200_000)  # a matrix of them all would be 320 GB
    columns: dict[str, NDArray[np.generic]] = {"iteration": numbers, "worker": numbers, "latency": np.ones(200_000)}
    with pytest.raises(TraceError, match=r"200000 workers in 200000 iterations are more than is read, .*check the col"):
        read_trace(_write(columns, tmp_path / f"t{suffix}"))


def test_a_small_file_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    column = pa.array(np.ones(2**18))
    table = pa.table([column] * 513, names=[f"latency_worker_{worker}" for worker in range(513)])
    parquet.write_table(table, tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 2**20
    with pytest.raises(
        TraceError, match=r"it has 262144 rows of 513 columns .*; record fewer iterations, or part the file\.$"
    ):
        read_trace(tmp_path / "t.parquet")


def test_long_texts_that_unpack_to_far_more_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_reading, "_MOST_BYTES", 2**20)
    table = pa.table({"latency_worker_0": ["1" * 2**18] * 5})
    parquet.write_table(table, tmp_path / "t.parquet", compression="zstd", use_dictionary=False)
    assert (tmp_path / "t.parquet").stat().st_size < 2**12
    with pytest.raises(
        TraceError, match=r"it has 5 rows of 1 columns and unpacks to \d+ bytes, of which at most 1048576"
    ):
        read_trace(tmp_path / "t.parquet")


def test_other_columns_are_not_read_at_all(tmp_path: Path) -> None:
    columns = {**_wide(), "notes": np.array(["secret"] * 6)}
    path = _write(columns, tmp_path / "t.parquet")
    path.write_bytes(path.read_bytes().replace(b"secret", b"\xff\xff\xff\xff\xff\xff"))
    assert np.array_equal(read_trace(path).latencies, _LATENCIES)


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "a\0b.csv", "a\nb.csv"])
def test_names_that_cannot_be_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(TraceError, match=r"^Cannot read the trace ") as caught:
        read_trace(tmp_path / name)
    assert str(caught.value).isprintable()


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"Cannot tell the format of the trace .*t\.json; its name must end in \.csv"):
        read_trace(tmp_path / "t.json")


def test_the_models_load_neither_pandas_nor_pyarrow() -> None:
    code = "import sys, nercc_tune.straggling; print(sorted({'pandas', 'pyarrow', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - this Python
    assert done.stdout.strip() == "[]"

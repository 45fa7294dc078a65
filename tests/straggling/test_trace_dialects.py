"""Whatever wrote a trace, the latencies are the same."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nercc_tune.errors import TraceError
from nercc_tune.straggling import Trace, read_trace

_NEVER = ("inf", "Infinity", "-1", "-1.0", "NaN", "null", "None", "timeout", "TIMEOUT", "N/A", "-", "")
_HEADERS = (
    ("iteration", "worker", "latency"),
    ("Iteration", "WORKER", "Latency [ms]"),
    ("step", "rank", "duration_ms"),
    ("Runde", "Rechner", "Dauer (ms)"),
    ("Étape", "Nœud", "Durée"),
    ("iter", "hostname", "elapsedSeconds"),
    ("batch_id", "worker id", "time"),
)
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")
_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@st.composite
def _latencies(draw: st.DrawFn) -> NDArray[np.float64]:
    shape = draw(st.integers(5, 7)), draw(st.integers(2, 11))
    numbers = st.one_of(st.integers(1, 5000).map(float), st.floats(1e-3, 1e6), st.just(math.inf))
    values = np.array(draw(st.lists(numbers, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])))
    latencies = values.reshape(shape)
    latencies[:, 0] = 0.5  # so that every iteration has an answer, and a decimal comma is none that parts thousands
    return latencies


def _number(value: float, *, comma: bool, is_quoted: bool) -> str:
    text = repr(int(value)) if value == round(value) else repr(value)
    text = text.replace(".", ",") if comma else text
    return f'"{text}"' if is_quoted else text


@st.composite
def _written(draw: st.DrawFn) -> tuple[NDArray[np.float64], bytes, str]:
    """Return latencies, a file of them in some dialect, and the suffix of its name."""
    latencies = draw(_latencies())
    separator = draw(st.sampled_from([",", ";", "\t", "|", " ", "  \t"]))
    comma = draw(st.booleans())
    is_quoted = draw(st.booleans()) or (comma and separator == ",")
    never = draw(st.sampled_from([word for word in _NEVER if word or separator.strip()]))
    cells = [
        [never if math.isinf(value) else _number(value, comma=comma, is_quoted=is_quoted) for value in row]
        for row in latencies.tolist()
    ]
    numbers: list[Callable[[int], str]] = [str, lambda value: f"{value}.0", lambda value: f'"{value}"']
    number = draw(st.sampled_from(numbers))
    if draw(st.booleans()):
        names: list[Callable[[int], str]] = [lambda at: f"node{at}", lambda at: f"Rechner-{at}.ümlaut.example"]
        name = draw(st.sampled_from([number, *names]))
        header = list(draw(st.sampled_from(_HEADERS)))
        rows = [[number(i), name(w), cell] for i, row in enumerate(cells) for w, cell in enumerate(row)]
        if draw(st.booleans()):  # rows that are not there
            rows = [row for row in rows if row[2] != never or row[1] in (name(0), name(len(cells[0]) - 1))]
    else:
        prefix = draw(
            st.sampled_from(["latency_worker_", "Latency Worker ", "duration_node_", "worker", "latency_ms_rank_"])
        )
        header = ["iteration", *(f"{prefix}{worker}" for worker in range(len(cells[0])))]
        rows = [[number(i), *row] for i, row in enumerate(cells)]
    header = [name.replace(" ", "_") if not separator.strip() and separator != "\t" else name for name in header]
    rows = draw(st.permutations(rows))
    lines = [separator.join(row) for row in [header, *rows]]
    lines = [
        *draw(st.sampled_from([[], ["# measured on Monday; a, b"], ["sep=;"] if separator == ";" else [""]])),
        *lines,
    ]
    lines += draw(st.sampled_from([[], [""], ["# end"], [separator * (len(header) - 1)] if separator.strip() else []]))
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines) + "\n"
    encoding = draw(st.sampled_from(_ENCODINGS))
    packing = draw(st.sampled_from(list(_PACKERS)))
    suffix = draw(st.sampled_from([".csv", ".tsv", ".txt"]))
    return latencies, _PACKERS[packing](text.encode(encoding)), suffix + packing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dialects")


def _read(path: Path, content: bytes | str) -> Trace:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_trace(path)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(case=_written())
def test_all_dialects_give_the_same_latencies(folder: Path, case: tuple[NDArray[np.float64], bytes, str]) -> None:
    latencies, content, suffix = case
    trace = _read(folder / f"trace{suffix}", content)
    assert np.array_equal(trace.latencies, latencies)
    assert not any("job" in note for note in trace.notes)


_JOBS = "job;iteration;worker;latency\nb;0;0;3\nb;0;1;4\na2;1;0;1,5\na2;1;1;timeout\na10;1;0;9\na10;1;1;8\n"


def test_jobs_are_kept_apart_in_the_order_of_their_names(tmp_path: Path) -> None:
    trace = _read(tmp_path / "t.csv", _JOBS)
    assert trace.latencies.tolist() == [[1.5, math.inf], [9.0, 8.0], [3.0, 4.0]]
    assert trace.jobs is not None
    assert trace.jobs.tolist() == [0, 1, 2]
    assert trace.notes == ("the trace has 3 jobs; each of them is parted in time by itself",)


@pytest.mark.parametrize("name", ["Job ID", "run", "Trial", "experiment_name", "Lauf"])
def test_jobs_may_be_called_otherwise_and_lie_in_wide_files(tmp_path: Path, name: str) -> None:
    trace = _read(tmp_path / "t.csv", f"{name},iteration,latency_worker_0\n7,0,2\n3,1,1\n3,0,4\n7,1,3\n")
    assert trace.latencies[:, 0].tolist() == [4.0, 1.0, 2.0, 3.0]
    assert trace.jobs is not None
    assert trace.jobs.tolist() == [0, 0, 1, 1]


def test_runs_of_one_answer_a_worker_are_iterations(tmp_path: Path) -> None:
    trace = _read(tmp_path / "t.csv", "run,worker,seconds\n4,0,2\n3,1,1\n3,0,4\n")
    assert trace.latencies.tolist() == [[4.0, 1.0], [2.0, math.inf]]
    assert trace.jobs is None
    assert trace.unit == "s"


def test_host_names_are_numbered_in_their_natural_order_and_columns_are_said(tmp_path: Path) -> None:
    text = "step\thost\tlatency_ms\n" + "".join(f"0\tnode{number}\t{number}\n" for number in (10, 9, 2, 1))
    trace = _read(tmp_path / "t.tsv", text)
    assert trace.latencies.tolist() == [[1.0, 2.0, 9.0, 10.0]]
    assert trace.notes == (
        "the trace's columns are read so: `step` as iteration, `host` as worker, `latency_ms` as latency",
        "the 4 workers of the trace are numbered in the order of their names",
    )


@pytest.mark.parametrize(
    ("header", "unit", "expected"),
    [
        ("latency_ms", None, 250.0),
        ("latency_ms", "ms", 250.0),
        ("latency_ms", "s", 0.25),
        ("latency_s", "us", 250e6),
        ("latency", "s", 250.0),
        ("milliseconds", "s", 0.25),
        ("Latency (µs)", "ms", 0.25),
    ],
)
def test_latencies_come_in_the_unit_that_is_asked_for(
    tmp_path: Path, header: str, unit: str | None, expected: float
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"iteration,worker,{header}\n0,0,250\n0,1,inf\n", encoding="utf-8")
    trace = read_trace(path, unit=unit)
    assert trace.latencies.tolist() == [[expected, math.inf]]
    assert any("turned from" in note for note in trace.notes) == (expected != 250.0)


def test_a_header_may_be_a_comment(tmp_path: Path) -> None:
    assert _read(tmp_path / "t.txt", "# iteration worker latency\n0 0 1.5\n0 1 nan\n").latencies.tolist() == [
        [1.5, math.inf]
    ]


def test_a_missing_number_of_excel_is_no_comment(tmp_path: Path) -> None:
    assert _read(tmp_path / "t.csv", "latency_worker_0,latency_worker_1\n#N/A,2\n1,2\n").latencies.tolist() == [
        [math.inf, 2.0],
        [1.0, 2.0],
    ]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_that_are_cut_off_are_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    content = pack(b"iteration,worker,latency\n" + b"".join(b"%d,0,%d\n" % (i, i * i % 977 + 1) for i in range(999)))
    with pytest.raises(TraceError, match=r"t\.csv\.gz: the packed file is damaged or cut off; write it again as \.csv"):
        _read(tmp_path / "t.csv.gz", content[: len(content) // 2])

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nercc_tune.errors import NerccTuneError
from nercc_tune.spec import build_family, build_study, load_family, parse_study
from tests.fakes import TINY
from tests.fuzz.cases import LONG, QUICK, accept_or_refuse
from tests.fuzz.mutations import STRANGE, changed, damaged, to_toml

_BUNDLED = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))
_FULL = build_study(
    {
        **tomllib.loads(TINY),
        "straggling": {"model": "trace", "path": "latencies.csv"},
        "cache": {"url": "memory://outputs"},
        "tracking": {"url": "sqlite:///here.db"},
        "storage": {"url": "postgresql://host/db?a=b"},
        "resources": {"workers": 2},
    }
).model_dump(mode="json")
_DOCUMENTS: list[dict[str, Any]] = [_FULL, tomllib.loads(TINY), *(tomllib.loads(path.read_text()) for path in _BUNDLED)]
_PATHS = sorted({f"{section}.{field}" for section, fields in _FULL.items() if section != "name" for field in fields})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


def _check(folder: Path, content: bytes) -> None:
    path = folder / "study.toml"
    path.write_bytes(content)
    family = accept_or_refuse(lambda: load_family(path), folder)
    if isinstance(family, NerccTuneError):
        return
    for spec in family.members:
        plain = spec.model_dump(mode="json")
        for again in (build_study(json.loads(json.dumps(plain))), parse_study(to_toml(plain))):
            assert again == spec
            assert again.digest == spec.digest


def _check_override(folder: Path, override: str) -> None:
    accept_or_refuse(lambda: parse_study(TINY, overrides=[override]), folder)


_changed = changed(_DOCUMENTS).map(lambda document: to_toml(document).encode(errors="surrogatepass"))
_damaged = st.sampled_from(_BUNDLED).flatmap(lambda path: damaged(path.read_bytes()))
_overrides = st.tuples(st.sampled_from([*_PATHS, "", ".", "a.b", "search..trials", "a" + ".a" * 2000]), STRANGE).map(
    lambda pair: f"{pair[0]}={pair[1]}" if not isinstance(pair[1], int) or abs(pair[1]) < 10**99 else f"{pair[0]}=1"
)


def test_the_documents_are_valid() -> None:
    assert len(_BUNDLED) > 5
    for document in _DOCUMENTS:
        family = build_family(document)
        assert build_family(tomllib.loads(to_toml(document))) == family


@QUICK
@given(content=_changed)
def test_changed_values_are_accepted_unchanged_or_refused(folder: Path, content: bytes) -> None:
    _check(folder, content)


@QUICK
@given(content=_damaged)
def test_damaged_files_are_accepted_unchanged_or_refused(folder: Path, content: bytes) -> None:
    _check(folder, content)


@QUICK
@given(override=_overrides)
def test_overrides_are_accepted_or_refused(folder: Path, override: str) -> None:
    _check_override(folder, override)


@pytest.mark.slow
@LONG
@given(content=_changed)
def test_changed_values_at_length(folder: Path, content: bytes) -> None:
    _check(folder, content)


@pytest.mark.slow
@LONG
@given(content=_damaged)
def test_damaged_files_at_length(folder: Path, content: bytes) -> None:
    _check(folder, content)


@pytest.mark.slow
@LONG
@given(override=_overrides)
def test_overrides_at_length(folder: Path, override: str) -> None:
    _check_override(folder, override)

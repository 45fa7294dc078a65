from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.errors import WorkloadError
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.workloads.data_paths import data_root, find_path


def test_what_is_there_is_taken_before_what_lies_in_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    assert find_path(str(tmp_path / "there"), tmp_path / "data") == tmp_path / "there"
    assert find_path("absent", tmp_path) == tmp_path / "absent"
    assert find_path("../absent", tmp_path) == Path("../absent")


def test_data_lie_where_the_settings_say_else_in_the_data_directory(tmp_path: Path) -> None:
    named, plain = (WorkloadSettings(model="any", data="folder", data_dir=name) for name in ("below", None))
    assert data_root(named, tmp_path) == tmp_path / "below"
    assert data_root(plain, tmp_path) == tmp_path


def test_what_can_be_no_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"^`x+…?.*` must be a path, but cannot be one: "):
        find_path("x" * 5000, tmp_path)

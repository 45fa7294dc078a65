from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import nercc_tune
from nercc_tune import errors, records
from tests.fakes import finished_home

_AS_A_SERVER = """
import sys
import nercc_tune
for name in nercc_tune.__all__:
    getattr(nercc_tune, name)
print(sorted({"optuna", "mlflow", "pandas", "matplotlib"} & set(sys.modules)))
"""

_AS_A_READER = """
import sys
from nercc_tune.cli import app
for command in (["studies"], ["advise", "tiny"]):
    app([*command, "--home", {home!r}], standalone_mode=False)
print(sorted({{"torch", "optuna", "mlflow", "pandas", "matplotlib"}} & set(sys.modules)))
"""


def test_all_that_is_public_is_there() -> None:
    for name in nercc_tune.__all__:
        assert getattr(nercc_tune, name) is not None
    assert dir(nercc_tune) == sorted(nercc_tune.__all__)


def test_every_public_name_has_its_home() -> None:
    assert set(nercc_tune._HOMES) == set(nercc_tune.__all__) - {"__version__"}
    for name, home in nercc_tune._HOMES.items():
        found = getattr(nercc_tune, name)
        assert found.__module__.startswith(f"nercc_tune.{home}")
        assert found.__name__ == name


def test_nothing_else_is_public() -> None:
    with pytest.raises(AttributeError, match="module `nercc_tune` has no attribute `Optuna`"):
        _ = nercc_tune.Optuna


@pytest.mark.parametrize("module", [errors, records])
def test_what_a_module_exports_is_there(module: object) -> None:
    for name in module.__all__:  # type: ignore[attr-defined]  # modules have it
        assert hasattr(module, name)


def test_every_error_can_be_caught_at_the_root() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.NerccTuneError)
    assert issubclass(errors.DataMissingError, errors.WorkloadError)
    assert not issubclass(errors.NerccTuneError, ValueError)


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - this Python
    return done.stdout.strip()


def test_the_command_line_answers_without_torch() -> None:
    loaded = _python("import sys, nercc_tune.cli; print(sorted({'torch', 'optuna', 'mlflow'} & set(sys.modules)))")
    assert loaded == "[]"


def test_a_study_is_read_without_torch(tmp_path: Path) -> None:
    home = finished_home(tmp_path / "home").root
    assert _python(_AS_A_READER.format(home=str(home))).splitlines()[-1] == "['optuna']"


def test_what_a_server_needs_loads_neither_optuna_nor_mlflow() -> None:
    assert _python(_AS_A_SERVER) == "[]"

"""`nercc-tune promote` on the home of a tiny launch."""

from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.home import Home
from nercc_tune.tracking.deployment.promotion import read_deployments
from tests.fakes import TINY, bench, finished_home, tiny_spec
from tests.program import run_program

NAME = "nercc-tiny-vectors-K5-N12"


@pytest.fixture
def home() -> Home:
    return finished_home(Path("nercc-home"))


def test_a_study_then_a_cell_then_back(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(monkeypatch, "promote", "tiny.toml", "--force") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert f"{NAME}: version 1 is the champion now" in shown.out
    assert "  now     version 1, policy of tiny: held-out MSE in probabilities" in shown.out
    assert "  before  nothing" in shown.out
    assert f'mlflow.set_tracking_uri("{home.tracking_url}")' in shown.out
    assert f'mlflow.pyfunc.load_model("models:/{NAME}@champion")' in shown.out

    assert run_program(monkeypatch, "promote", "tiny/K5-N12-S4", "--force") == 0
    shown = capsys.readouterr()
    assert f"{NAME}: version 2 is the champion now" in shown.out
    assert "  now     version 2, S=4 of tiny" in shown.out
    assert "  before  version 1, policy of tiny" in shown.out
    assert run_program(monkeypatch, "promote", "tiny/K5-N12-S4", "--force") == 0
    assert "version 2 is the champion already; nothing was added" in capsys.readouterr().out

    assert run_program(monkeypatch, "promote", "--rollback", "tiny") == 0
    assert f"{NAME}: version 1 is the champion again" in capsys.readouterr().out
    assert run_program(monkeypatch, "promote", "--rollback", "--name", NAME) == 0
    assert f"{NAME}: version 2 is the champion again" in capsys.readouterr().out
    champion = read_deployments(home.tracking_url, NAME).champion
    assert champion is not None
    assert champion.code.stragglers == 4


_BAD = {
    "nothing": ([], "say what to promote: a study, or a cell"),
    "back to nothing": (["--rollback"], "say which deployment to roll back: its study, or `--name`"),
    "a cell back": (["tiny/K5-N12-S2", "--rollback"], "`--rollback` returns to the version before the champion"),
    "forced back": (["tiny", "--rollback", "--force"], "`--rollback` needs no `--force`"),
    "no such study": (["tinny"], "tinny"),
    "no such cell": (
        ["tiny/K5-N12-S3"],
        "study `tiny` has no cell `K5-N12-S3`; it has tiny/K5-N12-S2, tiny/K5-N12-S4.",
    ),
    "never deployed": (["tiny", "--rollback"], f"`{NAME}` has no previous version to return to: nothing is deployed"),
    "an odd name": (["tiny", "--force", "--name", "a/b"], "`name` must be at most 200 letters"),
    "no store": (
        ["tiny", "--force", "--tracking", "http://a:secret@127.0.0.1:9"],
        "the tracking store `http://a:***@127.0.0.1:9` cannot be reached",
    ),
    "no storage": (["tiny", "--storage", "sqlite:///absent.db"], "there is no storage sqlite:///"),
}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("case", _BAD)
def test_bad_input_is_one_line_and_exit_code_2(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = _BAD[case]
    assert run_program(monkeypatch, "promote", *arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.usefixtures("home")
def test_what_is_not_better_needs_force(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("nercc_tune.tracking.deployment.deployed.DeployedCode.is_better", property(lambda _code: False))
    assert run_program(monkeypatch, "promote", "tiny") == 2
    assert "policy of `tiny` is not surely better than NeRCC at (0, 0)" in capsys.readouterr().err


def test_an_unfinished_study_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bench(tiny_spec(), Path("nercc-home"))
    assert run_program(monkeypatch, "promote", "tiny") == 2
    assert capsys.readouterr().err.startswith("error: study `tiny` is not finished; run `nercc-tune launch` again")
    assert not Path("nercc-home/mlflow.db").exists()


def test_a_store_that_the_study_file_names_is_used(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tiny.toml").write_text(TINY + '[tracking]\nurl = "http://a:secret@127.0.0.1:9/file"\n', encoding="utf-8")
    assert run_program(monkeypatch, "promote", "tiny.toml", "--force", "--storage", home.storage_url) == 2
    assert "the tracking store `http://a:***@127.0.0.1:9/file` cannot be reached" in capsys.readouterr().err

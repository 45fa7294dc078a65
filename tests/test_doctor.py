from __future__ import annotations

from pathlib import Path

from nercc_tune.doctor import Finding, examine
from nercc_tune.home import Home
from tests.fakes import finished_home


def _findings(home: Home, *, storage: str | None = None, tracking: str | None = None) -> dict[str, Finding]:
    found = examine(
        home, data_dir=home.data, storage=storage or home.storage_url, tracking=tracking or home.tracking_url
    )
    return {finding.what: finding for finding in found}


def test_a_new_home_is_told_from_a_used_one(tmp_path: Path) -> None:
    new = _findings(Home(tmp_path / "new"))
    assert "made by the first launch" in new["home"].text
    assert "made by the first launch" in new["storage"].text
    used = _findings(finished_home(tmp_path / "used"))
    assert "exists" in used["home"].text
    assert "holds 1 studies" in used["storage"].text


def test_nothing_is_made(tmp_path: Path) -> None:
    _findings(Home(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_reached_is_missing_with_its_reason(tmp_path: Path) -> None:
    found = _findings(
        Home(tmp_path), storage="postgresql://a:secret@127.0.0.1:9/x", tracking="http://a:secret@127.0.0.1:9"
    )
    for what in ("storage", "tracking"):
        assert not found[what].is_ok
        assert "secret" not in found[what].text
    assert "cannot be reached" in found["tracking"].text


def test_passwords_of_reachable_stores_are_hidden(tmp_path: Path) -> None:
    home = finished_home(tmp_path)
    found = _findings(home)
    assert found["tracking"].is_ok
    assert found["tracking"].text.endswith("can be used")


def test_the_weights_of_the_default_study_need_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "repvgg-cifar10.safetensors").touch()
    found = _findings(home)
    assert found["weights repvgg-cifar10"].text.startswith("trained")
    assert {name for name in found if name.startswith("weights")} >= {"weights lenet5-digits", "weights lenet5-mnist"}


def test_data_that_is_there_is_listed(tmp_path: Path) -> None:
    assert not _findings(Home(tmp_path))["data folder"].is_ok
    (tmp_path / "data" / "MNIST").mkdir(parents=True)
    found = _findings(Home(tmp_path))["data folder"]
    assert found.is_ok
    assert "holds MNIST" in found.text

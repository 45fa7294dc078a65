from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.dashboard.place import Place
from nercc_tune.home import Home


@pytest.mark.parametrize("data_dir", [None, Path("/data")])
def test_a_place_is_read_back_as_it_was_handed_over(data_dir: Path | None) -> None:
    place = Place(
        home=Home(Path("/home/ann/nercc home"), data_dir),
        storage="postgresql://ann:ß@db/optuna",
        tracking="http://127.0.0.1:5000",
        mlflow="http://127.0.0.1:5000",
        allow_code=True,
    )
    assert Place.from_environment(place.to_environment()) == place


def test_without_the_command_there_is_no_place() -> None:
    with pytest.raises(KeyError, match="NERCC_TUNE_EXPLORER"):
        Place.from_environment({})


def test_what_is_typed_names_the_home() -> None:
    place = Place(home=Home(Path("/home/ann/nercc home"), Path("/data")), storage="", tracking="", mlflow="")
    assert place.launch_command("digits") == "nercc-tune launch digits --home '/home/ann/nercc home' --data-dir /data"
    assert place.serve_command("digits") == "nercc-tune serve digits --home '/home/ann/nercc home' --data-dir /data"
    assert place.bench_command("digits") == "nercc-tune bench digits --home '/home/ann/nercc home' --data-dir /data"

from __future__ import annotations

import doctest
import gc
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from nercc_tune import open_home
from nercc_tune.errors import HomeError, StorageError, TableError
from nercc_tune.export.frame import table_frame
from nercc_tune.notebook.frames import cells_frame, trials_frame
from nercc_tune.notebook.opened_home import OpenedHome
from nercc_tune.records import MEASURES
from tests.builders import START_MS, pruned, score, searched, study, study_history
from tests.fakes import bench, finished_home, finished_result, sqlite_url, tiny_spec
from tests.variants import with_wrong_answers

EXAMPLE = Path(__file__).parents[2] / "studies" / "notebook.md"


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> OpenedHome:
    return open_home(finished_home(tmp_path / "nercc-home").root)


@pytest.fixture
def _searched_home(tmp_path: Path) -> Path:
    """Return a home in which the tiny study was searched, not judged."""
    stopped = bench(tiny_spec("search.trials=2"), tmp_path)
    stopped.measure_baselines()
    stopped.search().run()
    stopped.storage.remove_session()
    stopped.storage.engine.dispose()
    return tmp_path


def test_the_example_holds(home: OpenedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.path.parent)
    found = doctest.testfile(str(EXAMPLE), module_relative=False, optionflags=doctest.ELLIPSIS, encoding="utf-8")
    assert found.attempted > 10
    assert found.failed == 0


def test_it_reads_what_the_launch_gave(home: OpenedHome) -> None:
    result = finished_result()
    assert home.studies == ["tiny"]
    assert home.history("tiny") == result.history
    assert home.table("tiny") == result.table
    pd.testing.assert_frame_equal(home.frame("tiny"), table_frame(result.table))
    assert repr(home) == f"<OpenedHome {home.path}: tiny>"


def test_a_storage_elsewhere_is_read(home: OpenedHome, tmp_path: Path) -> None:
    assert open_home(tmp_path / "absent", storage=f"sqlite:///{home.path}/optuna.db").studies == ["tiny"]
    with pytest.raises(StorageError, match=r"there is no storage sqlite:.*gone\.db yet"):
        open_home(tmp_path, storage=f"sqlite:///{tmp_path}/gone.db")


def test_nothing_is_written_and_nothing_stays_open(home: OpenedHome) -> None:
    before = {path for path in home.path.rglob("*") if not path.name.startswith("optuna.db")}
    home.cells()
    home.plot_history("tiny")
    assert {path for path in home.path.rglob("*") if not path.name.startswith("optuna.db")} == before
    opened = (
        {str(path.resolve()) for path in Path("/proc/self/fd").iterdir()} if Path("/proc/self/fd").is_dir() else set()
    )
    assert str((home.path / "optuna.db").resolve()) not in opened


def test_figures_are_of_the_cell_that_is_asked_for(home: OpenedHome) -> None:
    first, last = home.plot_landscape("tiny"), home.plot_landscape("tiny", stragglers=4)
    assert first.layout.title.text.startswith("S = 2,")
    assert last.layout.title.text.startswith("S = 4,")
    assert home.plot_stragglers("tiny").layout.yaxis.title.text == "MSE (probabilities)"
    with pytest.raises(ValueError, match="`stragglers` must be one of 2, 4, but got 3"):
        home.plot_landscape("tiny", stragglers=3)


def test_a_study_that_is_not_there_is_named_beside_those_that_are(home: OpenedHome) -> None:
    for call in (home.history, home.cells, home.trials, home.table, home.frame, home.plot_landscape, home.plot_history):
        with pytest.raises(HomeError, match="holds no study `other`; it has: tiny"):
            call("other")


def test_a_home_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match=r"there is no study in the home `.*`; run `nercc-tune launch`, or open"):
        open_home(tmp_path)
    assert not list(tmp_path.iterdir())
    sqlite_url(tmp_path)
    with pytest.raises(HomeError, match=r"no study was launched in the home `.*` yet; run `nercc-tune launch` first"):
        open_home(tmp_path)


def test_a_home_that_vanishes_can_still_be_named(home: OpenedHome) -> None:
    (home.path / "optuna.db").unlink()
    assert repr(home) == f"<OpenedHome {home.path}: cannot be read now>"


@pytest.mark.usefixtures("_searched_home")
def test_a_study_in_progress_has_frames_and_no_table(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    cells = home.cells("tiny")
    assert list(cells.state) == ["unfinished", "unfinished"]
    assert cells.lambda_enc.isna().all()
    assert cells.heldout_mse.isna().all()
    assert cells.best_error.gt(0).all()
    assert "chosen" in [trace.name for trace in home.plot_landscape("tiny").data]
    with pytest.raises(TableError, match="study `tiny` is not finished"):
        home.table("tiny")


def test_without_a_completed_trial_there_is_no_landscape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: OpenedHome
) -> None:
    del tmp_path
    empty = study(replace(searched(40), trials=()))
    monkeypatch.setattr(OpenedHome, "history", lambda *_: empty)
    with pytest.raises(HomeError, match="study `tiny` has no completed trial with a profile at S=40"):
        home.plot_landscape("tiny")


def test_trials_have_their_state_figures_and_times() -> None:
    cell = searched(40)
    lost = pruned(cell.trials[3], blocks=3)
    frame = trials_frame(study(replace(cell, trials=(*cell.trials[:3], lost))))
    assert list(frame.state) == ["complete", "complete", "failed", "pruned"]
    assert list(frame.mse[:2]) == [0.05, 0.04]
    assert frame.mse[2:].isna().all()
    assert frame.reason[2] == "OutputError: outputs are not finite"
    assert frame.pruned_after[3] == 3
    assert frame.started[1] == pd.Timestamp(START_MS + 1040, unit="ms", tz="UTC")
    assert list(frame.seconds) == [0.4] * 4
    assert list(frame.proposal) == [0, 1, 2, 3]
    assert frame["rack"].isna().all()


def test_cells_have_held_out_figures_and_gains() -> None:
    history = study_history(stragglers=(20, 40))
    frame = cells_frame([history])
    for row, cell in enumerate(history.cells):
        entry, best = cell.entry, cell.best
        assert entry is not None
        assert best is not None
        assert best.score is not None
        assert frame.lambda_enc[row] == entry.lambda_enc == frame.best_lambda_enc[row]
        assert frame.best_error[row] == best.score.mse
        assert (frame.trials[row], frame.complete[row], frame.failed[row], frame.pruned[row]) == (11, 10, 1, 0)
        for measure in MEASURES:
            interval = getattr(entry.heldout, measure)
            names = [f"heldout_{measure}", f"heldout_{measure}_low", f"heldout_{measure}_high"]
            assert list(frame.loc[row, names]) == [interval.mean, interval.low, interval.high]
        assert frame.gain_over_bacc[row] == entry.gains["bacc"].mean
        assert frame.gain_over_bacc_high[row] == entry.gains["bacc"].high
    assert frame.gain_over_frozen.isna().all()
    assert list(frame.state) == ["finished", "finished"]


def test_frames_say_how_a_code_distrusts() -> None:
    history = with_wrong_answers(study_history(stragglers=(40,)))
    (row,) = cells_frame([history])[["distrust_kind", "distrust_level"]].to_numpy().tolist()
    assert row == ["residuals", 4.2]
    trials = trials_frame(history)
    assert trials.distrust_kind.isna().tolist() == [True] + [False] * 10
    assert trials.distrust_level[1] == 4.2


def test_trials_after_the_judgement_are_told() -> None:
    history = study_history(stragglers=(40,))
    cell = history.cells[0]
    more = replace(cell.trials[0], number=20, proposal=20, score=score(0.2))
    frame = cells_frame([replace(history, cells=(replace(cell, trials=(*cell.trials, more)),))])
    assert list(frame.state) == ["resumed"]


def test_types_do_not_depend_on_the_rows() -> None:
    empty = study(replace(searched(40), trials=()))
    assert dict(trials_frame(empty).dtypes) == dict(trials_frame(study_history()).dtypes)
    assert dict(cells_frame([]).dtypes) == dict(cells_frame([study_history()]).dtypes)
    assert len(cells_frame([empty])) == 1
    assert not len(trials_frame(empty))


def test_reading_leaves_garbage_collection_as_it_was(home: OpenedHome) -> None:
    assert gc.isenabled()
    home.history("tiny")
    assert gc.isenabled()
    gc.disable()
    try:
        home.history("tiny")
        assert not gc.isenabled()
    finally:
        gc.enable()
        with suppress(HomeError):
            home.history("other")
    assert gc.isenabled()

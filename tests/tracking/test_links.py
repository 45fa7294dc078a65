from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.errors import TrackingError
from nercc_tune.tracking.links import EXPLORER_URL, cell_links, explorer_link, keep_base, point_to_explorer
from tests.builders import finished, searched, study
from tests.tracking.conftest import Store, project

NOTE = "mlflow.note.content"


def test_a_link_is_quoted() -> None:
    assert explorer_link("a b", "a b/K8-N24-S4", "http://host:1") == (
        "[λ explorer](http://host:1/?study=a%20b&cell=a%20b%2FK8-N24-S4)"
    )


def test_the_base_of_an_earlier_note_is_kept() -> None:
    note = f"text {explorer_link('a', 'a/K1')}"
    other = f"older text {explorer_link('b', 'b/K2', 'http://host:1/x')}"
    assert keep_base(note, of=other) == f"text {explorer_link('a', 'a/K1', 'http://host:1/x')}"
    assert keep_base(note, of="no link") == keep_base(note, of=None) == note


def test_the_cells_are_found(store: Store) -> None:
    project(store, finished(study(searched(40), searched(60))))
    runs = store.runs()
    assert cell_links(store.url, "lenet5-mnist") == {
        f"lenet5-mnist/K50-N200-S{s}": f"#/experiments/1/runs/{runs[f'S={s}'].info.run_id}" for s in (40, 60)
    }
    assert cell_links(store.url, "other") == {}


def test_of_several_runs_of_a_cell_the_newest_counts(store: Store) -> None:
    project(store, study(searched(40)))
    client, old = store.client(), store.runs()["S=40"]
    tags = {name: old.data.tags[name] for name in ("nercc_tune.uid", "nercc_tune.kind")}
    newer = client.create_run("1", start_time=old.info.start_time + 1, tags=tags).info.run_id
    client.create_run("1", start_time=old.info.start_time - 1, tags=tags)
    assert cell_links(store.url, "lenet5-mnist") == {"lenet5-mnist/K50-N200-S40": f"#/experiments/1/runs/{newer}"}


def test_no_store_is_made_to_look_into(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/home/mlflow.db"
    assert cell_links(url, "lenet5-mnist") == {}
    point_to_explorer(url, "http://127.0.0.1:8501")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("something else")
    with pytest.raises(TrackingError, match=r"mlflow\.db"):
        cell_links(f"sqlite:///{tmp_path}/mlflow.db", "lenet5-mnist")


def test_the_notes_of_all_cells_point_to_the_explorer(store: Store) -> None:
    project(store, finished(study(searched(40), searched(60))))
    project(store, study(searched(40, study="other"), name="other"))
    before = store.runs()["S=40"].data.tags[NOTE]
    point_to_explorer(store.url, "http://127.0.0.1:8501/")
    notes = [store.runs(name)[f"S={s}"].data.tags[NOTE] for name, s in (("lenet5-mnist", 60), ("other", 40))]
    assert all("[λ explorer](http://127.0.0.1:8501/?study=" in note for note in notes)
    assert store.runs()["S=40"].data.tags[NOTE] == before.replace(EXPLORER_URL, "http://127.0.0.1:8501")
    assert NOTE not in store.runs()["S=40 #0"].data.tags


@pytest.mark.parametrize("base", ["127.0.0.1:5001", "http://a b", "javascript:alert(1)", "http://a/(b)", ""])
def test_a_base_that_breaks_the_link_is_refused(store: Store, base: str) -> None:
    with pytest.raises(ValueError, match=r"`base` must be an http\(s\) address without spaces and brackets, but got"):
        point_to_explorer(store.url, base)


def test_a_new_note_keeps_the_link_and_a_link_alone_is_no_new_note(store: Store) -> None:
    history = finished(study(searched(40)))
    projection = project(store, history)
    point_to_explorer(store.url, "http://127.0.0.1:8501")
    pointed = store.runs()["S=40"].data.tags[NOTE]
    projection.log_result(history)
    assert store.runs()["S=40"].data.tags[NOTE] == pointed
    projection.log_result(study(searched(40)))
    note = store.runs()["S=40"].data.tags[NOTE]
    assert note != pointed
    assert "[λ explorer](http://127.0.0.1:8501/?study=lenet5-mnist" in note

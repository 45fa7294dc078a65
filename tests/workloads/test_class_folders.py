from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.workloads.class_folders import find_classes

_CLEAN = ("ant/1.png", "ant/night/0.JPG", "ant/night/deep/2.png", "bee/0.jpeg", "zebu/3.webp", "zebu/1.tiff")
_JUNK_FOLDERS = (".ipynb_checkpoints", "__MACOSX", "__pycache__", "@eaDir", "lost+found", ".git", "$RECYCLE.BIN")
_JUNK_FILES = ("Thumbs.db", ".DS_Store", "._1.png", ".hidden.jpg", "desktop.ini", "notes.txt")


def _make(root: Path, files: Sequence[str]) -> Path:
    """Write files that would be images; those that end in a slash are folders."""
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(b"image")
    return root


def _junk() -> st.SearchStrategy[str]:
    places = st.sampled_from(("", "ant/", "ant/night/", "bee/", "zebu/"))
    folders = st.sampled_from(_JUNK_FOLDERS)
    inside = st.sampled_from(("/", "/0.png", "/ant/0.png", "/.x.png"))
    deep = st.builds(lambda place, folder, what: f"{place}{folder}{what}", places, folders, inside)
    return st.one_of(
        deep,
        st.builds(lambda place, file: f"{place}{file}", places, st.sampled_from(_JUNK_FILES)),
        st.sampled_from(("empty/", "bare/inner/", "text/readme.md", "0.png", "bee/empty/")),
    )


@settings(deadline=None, max_examples=40)
@given(junk=st.lists(_junk(), max_size=6))
def test_classes_are_the_same_whatever_junk_lies_among_them(junk: list[str]) -> None:
    with TemporaryDirectory() as name:
        root = _make(Path(name), _CLEAN)
        clean = find_classes(root)
        (root / "bee" / "none.png").touch()
        found = find_classes(_make(root, junk))
        assert found.files == clean.files
        assert list(found.files) == ["ant", "bee", "zebu"]
        told = " ".join(found.notes)
        outside = {path.split("/")[0] for path in junk} - {"ant", "bee", "zebu", "0.png", *_JUNK_FILES}
        assert all(folder in told for folder in outside)
        assert "bee/none.png" in told


def test_images_come_in_the_order_of_torchvision(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder  # noqa: PLC0415 - torchvision takes a second to import

    root = _make(tmp_path, [*_CLEAN, "bee/b-x/1.png", "bee/b/1.png", "bee/b/c/9.png", "bee/B.png", "ant/1.txt"])
    (root / "fly").symlink_to(root / "zebu")
    found = find_classes(root)
    known = ImageFolder(root)
    assert [file for files in found.files.values() for file in files] == [path for path, _ in known.samples]
    assert list(found.files) == known.classes


def test_links_that_lead_back_are_not_followed(tmp_path: Path) -> None:
    root = _make(tmp_path / "data", ["ant/0.png", "bee/1.png"])
    (root / "self").symlink_to(root)
    (root / "above").symlink_to(tmp_path)
    (root / "ant" / "again").symlink_to(root / "ant")
    found = find_classes(root)
    assert {name: len(files) for name, files in found.files.items()} == {"ant": 1, "bee": 1}
    assert found.notes == (
        f"of `{root}` left out, since hidden, of the system or a link back, and no class: `above`, `self`",
    )


def test_what_is_no_file_is_no_image_but_a_link_to_nothing_is_missed_later(tmp_path: Path) -> None:
    root = _make(tmp_path, ["ant/0.png", "bee/1.png"])
    os.mkfifo(root / "ant" / "pipe.png")
    (root / "bee" / "2.png").symlink_to(root / "absent.png")
    found = find_classes(root)
    assert [Path(file).name for files in found.files.values() for file in files] == ["0.png", "1.png", "2.png"]
    assert "`ant/pipe.png`" in found.notes[0]


@pytest.mark.parametrize(
    ("files", "given", "named"),
    [
        (["train/a/0.png", "train/b/0.png", "val/a/0.png", "val/b/0.png"], "val", "`train`, `val`"),
        (["Train/a/0.png", "Test/a/0.png", ".cache/x/0.png"], "Test", "`Test`, `Train`"),
        (["training/a/0.png", "testing/a/0.png", "validation/b/0.png"], "validation", "`testing`, `training`"),
        (["train/a/0.png", "val/0.png", "test/0.png"], "train", "`test`, `train`, `val`"),
        (["train2017/a/0.png", "val2017/a/0.png", "annotations/x.json"], "val2017", "`train2017`, `val2017`"),
        (["training_set/a/0.png", "test_set/a/0.png"], "test_set", "`test_set`, `training_set`"),
        (["train/a/0.png", "train/b/0.png", "val/"], "train", "`train`"),
        (["seg_train/seg_train/a/0.png", "seg_test/seg_test/a/0.png"], "seg_test", "`seg_test`, `seg_train`"),
        (["train/a/0.png", "valid/a/0.png", "samples/0.png"], "valid", "`train`, `valid`"),
    ],
)
def test_a_root_of_splits_is_named_as_such(tmp_path: Path, files: list[str], given: str, named: str) -> None:
    _make(tmp_path, files)
    with pytest.raises(WorkloadError, match=rf'holds splits \({named}.*give one of them: `data_dir = ".*/{given}"`\.$'):
        find_classes(tmp_path)


def test_splits_without_classes_are_refused(tmp_path: Path) -> None:
    _make(tmp_path, ["train/0.png", "val/0.png"])
    with pytest.raises(WorkloadError, match=r"splits \(`train`, `val`\) whose images are in no sub-folders; sort "):
        find_classes(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        ["bus/0.png", "car/0.png", "train/0.png"],
        ["bus/0.png", "train/steam/0.png", "train/diesel/0.png"],
        ["steam train/0.png", "electric train/0.png"],
        ["test/0.png"],
        ["ant/day/0.png", "ant/night/0.png", "bee/day/0.png"],
    ],
)
def test_classes_may_be_named_like_splits(tmp_path: Path, files: list[str]) -> None:
    found = find_classes(_make(tmp_path, files))
    assert list(found.files) == sorted({name.split("/")[0] for name in files})


def test_a_folder_around_all_classes_is_refused(tmp_path: Path) -> None:
    _make(tmp_path, ["pictures/ant/0.png", "pictures/bee/0.png"])
    with pytest.raises(WorkloadError, match=r'`pictures` alone, which has 2 of them; give that: .*/pictures"`\.$'):
        find_classes(tmp_path)


@pytest.mark.parametrize("suffix", ["gif", "heic", "JFIF", "npy"])
def test_a_class_whose_images_are_not_read_is_not_lost(tmp_path: Path, suffix: str) -> None:
    _make(tmp_path, ["ant/0.png", f"bee/0.{suffix}", "cat/0.png"])
    with pytest.raises(
        WorkloadError, match=rf"bee` must hold images, but holds `0\.{suffix}` and no file that ends in"
    ):
        find_classes(tmp_path)
    _make(tmp_path, ["bee/1.png"])
    assert find_classes(tmp_path).notes[0].endswith(f".webp: `bee/0.{suffix}`")


@pytest.mark.parametrize("files", [[], [".hidden/0.png", "__MACOSX/0.png", "0.png"]])
def test_a_folder_without_classes_is_refused(tmp_path: Path, files: list[str]) -> None:
    with pytest.raises(DataMissingError, match=r"sub-folder of images a class, but has no sub-folders\.$"):
        find_classes(_make(tmp_path, files))


def test_many_names_are_counted(tmp_path: Path) -> None:
    found = find_classes(_make(tmp_path, ["ant/0.png", *(f"empty{number}/" for number in range(9))]))
    assert found.notes[0].endswith("`empty4` and 4 more; the classes are numbered without")

"""Which sub-folders of a folder of images are classes, and which files in them are images."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nercc_tune.errors import DataMissingError, WorkloadError
from nercc_tune.text.one_line import one_line

__all__ = ["ClassFolders", "find_classes"]

# Those that torchvision's ImageFolder reads.
_IMAGES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Those that hold images too, but are not read: a class must not get lost for its files' names.
_UNREAD = (
    *(".avif", ".dcm", ".dng", ".exr", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe"),
    *(".jxl", ".npy", ".pbm", ".pnm", ".svg", ".tga"),
)
_SYSTEM = (
    *("#recycle", "$recycle.bin", "@eadir", "@recently-snapshot", "@recycle", "__macosx", "__pycache__"),
    *("lost+found", "recycled", "recycler", "system volume information"),
)
_SPLITS = {
    *("dev", "eval", "evaluation", "heldout", "holdout", "test", "testing", "train", "training", "trainval"),
    *("trainset", "testset", "val", "valid", "validation", "valset"),
}
_BESIDE_SPLITS = {"data", "dataset", "images", "img", "imgs", "part", "seg", "set", "split"}
_JUDGING = {"dev", "heldout", "holdout", "val", "valid", "validation"}  # what a study is likely meant to take
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """The images of each class, in the order of torchvision's ImageFolder, and what a reader should know of the rest.

    `files` are in the order of the names of the classes, which are all that hold an image.
    """

    files: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What one sub-folder holds; `inner` are its own sub-folders that hold images, by their first folder's name."""

    images: tuple[str, ...]
    spoilt: tuple[str, ...]
    unread: tuple[str, ...]
    inner: frozenset[str]
    has_own: bool


def find_classes(root: Path) -> ClassFolders:
    """Find the sub-folders that are classes: those that hold an image, in whatever depth.

    Hidden folders and those of a system (`.ipynb_checkpoints`, `__MACOSX`, `@eaDir`, `lost+found` …) are none,
    wherever they lie, and neither hidden nor empty files are images.

    Raises:
        DataMissingError: No sub-folder holds an image.
        WorkloadError: The sub-folders are splits (`train`, `val`) or hold the classes one level below; or a sub-folder
            holds images of a kind that is not read.
    """
    names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    left_out = [name for name in names if _is_junk(name) or _leads_back(root / name)]
    found = {name: _look_into(root / name) for name in names if name not in left_out}
    told = one_line(root)
    if not found:
        raise DataMissingError(f"`{told}` must hold one sub-folder of images a class, but has no sub-folders.")
    for name, holds in found.items():
        if not holds.images and holds.unread:
            raise WorkloadError(
                f"`{one_line(root / name)}` must hold images, but holds {_name([Path(holds.unread[0]).name])} and no "
                f"file that ends in {', '.join(_IMAGES)}; convert its images, or remove it."
            )
    classes = {name: holds for name, holds in found.items() if holds.images}
    if not classes:
        raise DataMissingError(f"`{told}` must hold one sub-folder of images a class, but has no images in them.")
    _refuse_splits(root, classes)
    _refuse_wrapping(root, classes)
    return ClassFolders(
        files={name: holds.images for name, holds in classes.items()},
        notes=tuple(_tell(root, left_out, found)),
    )


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM


def _leads_back(folder: Path) -> bool:
    """Whether a folder is a link to one that it lies in."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _look_into(folder: Path) -> _Found:
    """Walk through a sub-folder, through links too, as torchvision does."""
    images: list[str] = []
    spoilt: list[str] = []
    unread: list[str] = []
    inner: set[str] = set()
    has_own = False
    walked: list[tuple[str, list[str]]] = []
    for below, folders, files in os.walk(folder, followlinks=True, onerror=_fail):
        folders[:] = [name for name in folders if not _is_junk(name) and not _leads_back(Path(below, name))]
        walked.append((below, sorted(files)))
    for below, files in sorted(walked):
        kept = len(images)
        for name in files:
            path = os.path.join(below, name)  # noqa: PTH118 - a hundred thousand of them
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - the same
            if suffix in _IMAGES:
                (images if _is_image(path, name) else spoilt).append(path)
            elif suffix in _UNREAD and not name.startswith("."):
                unread.append(path)
        if len(images) > kept:
            parts = Path(below).relative_to(folder).parts
            inner.update(parts[:1])
            has_own = has_own or not parts
    return _Found(
        images=tuple(images), spoilt=tuple(spoilt), unread=tuple(unread), inner=frozenset(inner), has_own=has_own
    )


def _fail(error: OSError) -> None:
    raise error


def _is_image(path: str, name: str) -> bool:
    """Whether a file may be an image; a link to nothing is one that is missed when it is opened."""
    if name.startswith("."):
        return False
    try:
        status = os.stat(path)  # noqa: PTH116 - the same
    except FileNotFoundError:
        return True
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+", name.casefold()))


def _refuse_splits(root: Path, classes: dict[str, _Found]) -> None:
    splits = [name for name in classes if _words(name) & _SPLITS]
    plain = [name for name in splits if _words(name) <= _SPLITS | _BESIDE_SPLITS]
    nested = [name for name in splits if classes[name].inner and not classes[name].has_own]
    if not (len(plain) == len(classes) > 1 or len(nested) > 1 or len(nested) == len(classes)):
        return
    told = f"`{one_line(root)}` must hold one sub-folder of images a class, but holds splits ({_name(splits)})"
    if not nested:
        raise WorkloadError(f"{told} whose images are in no sub-folders; sort those of one split by class.")
    likely = min(nested, key=lambda name: (not _words(name) & _JUDGING, "train" in name.casefold(), name))
    raise WorkloadError(f'{told}; give one of them: `data_dir = "{one_line(root / likely)}"`.')


def _refuse_wrapping(root: Path, classes: dict[str, _Found]) -> None:
    """Refuse one sub-folder around all classes."""
    if len(classes) > 1:
        return
    ((name, holds),) = classes.items()
    if len(holds.inner) > 1 and not holds.has_own:
        raise WorkloadError(
            f"`{one_line(root)}` must hold one sub-folder of images a class, but holds `{one_line(name)}` alone, which "
            f'has {len(holds.inner)} of them; give that: `data_dir = "{one_line(root / name)}"`.'
        )


def _tell(root: Path, left_out: Sequence[str], found: dict[str, _Found]) -> Iterable[str]:
    told = f"of `{one_line(root)}` left out"
    bare = [name for name, holds in found.items() if not holds.images]
    spoilt = [os.path.relpath(path, root) for holds in found.values() for path in holds.spoilt]
    unread = [os.path.relpath(path, root) for holds in found.values() for path in holds.unread]
    if left_out:
        yield f"{told}, since hidden, of the system or a link back, and no class: {_name(left_out)}"
    if bare:
        by_name = all(name.isdigit() for name, holds in found.items() if holds.images)
        counted = "" if by_name else "; the classes are numbered without"
        yield f"{told}, since without an image, and no class: {_name(bare)}{counted}"
    if spoilt:
        yield f"{told}, since hidden or empty: {_name(spoilt)}"
    if unread:
        yield f"{told}, since its images end in {', '.join(_IMAGES)}: {_name(unread)}"


def _name(names: Sequence[str]) -> str:
    told = ", ".join(f"`{one_line(name)}`" for name in names[:_MOST_NAMED])
    return told if len(names) <= _MOST_NAMED else f"{told} and {len(names) - _MOST_NAMED} more"

"""A study file that lists several numbers of workers: one study for each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nercc_tune.spec.loading import read_values, validate, with_overrides
from nercc_tune.spec.redundancy import listed_workers
from nercc_tune.spec.study import StudySpec

__all__ = ["Family", "build_family", "load_family", "member_name", "workers_in_name"]

_MEMBER = re.compile(r"(?P<family>.+)-N(?P<workers>[1-9][0-9]*)")


@dataclass(frozen=True, kw_only=True)
class Family:
    """Studies that differ in their number of workers alone, and what follows from it: names and straggler counts.

    A file with one number gives a family of one study that keeps the name of the file's.

    Attributes:
        name: What the file calls itself.
        members: Ascending in N.
    """

    name: str
    members: tuple[StudySpec, ...]

    @property
    def is_single(self) -> bool:
        """Whether it is one study of the family's own name."""
        return len(self.members) == 1 and self.members[0].name == self.name

    def placed(
        self,
        *,
        storage: str | None = None,
        tracking: str | None = None,
        workers: int | None = None,
        ray: str | None = None,
    ) -> Family:
        """Return the family with other stores or resources, as `StudySpec.placed`."""
        members = (
            member.placed(storage=storage, tracking=tracking, workers=workers, ray=ray) for member in self.members
        )
        return replace(self, members=tuple(members))


def load_family(path: str | Path, *, overrides: Sequence[str] = ()) -> Family:
    """Read a study file that may list several numbers of workers.

    Of the numbers of copies that such a file searches, those above N / K are left out at that N.

    Args:
        path: A TOML file.
        overrides: Fields to replace, as for `load_study`.

    Raises:
        SpecError: As for `load_study`, for any of the numbers.
    """
    values, source = read_values(path)
    return build_family(values, overrides=overrides, source=source)


def build_family(values: Mapping[str, Any], *, overrides: Sequence[str] = (), source: str = "study") -> Family:
    """Build a family from plain values, as they stand in TOML or JSON.

    Raises:
        SpecError: As for `load_family`.
    """
    given = with_overrides(values, overrides, source=source)
    listed = listed_workers(given, source=source)
    if listed is None:
        study = validate(given, source=source)
        return Family(name=study.name, members=(study,))
    # Under the file's own name first, or a name that cannot be would be shown with an ending it does not have.
    named = {workers: _at(given, workers) for workers in listed}
    name = validate(named[listed[0]], source=source).name
    members = (validate({**each, "name": member_name(name, workers)}, source=source) for workers, each in named.items())
    return Family(name=name, members=tuple(members))


def _at(values: Mapping[str, Any], workers: int) -> dict[str, Any]:
    """Return the values of one study, without the numbers of copies that so many workers do not have."""
    code, search = values["code"], values.get("search")
    own = {**values, "code": {**code, "workers": workers}}
    copies = search.get("copies") if isinstance(search, Mapping) else None
    if isinstance(copies, list | tuple) and isinstance(code.get("queries"), int) and code["queries"] > 0:
        most = workers // code["queries"]
        fitting = [number for number in copies if not (isinstance(number, int) and number > most)]
        own["search"] = {**values["search"], "copies": fitting or copies}  # none fits: refused by what knows them
    return own


def member_name(family: str, workers: int) -> str:
    """Return what the study of a family for N workers is called.

    >>> member_name("redundancy-lenet5-mnist", 75)
    'redundancy-lenet5-mnist-N75'
    """
    return f"{family}-N{workers}"


def workers_in_name(study: str, family: str) -> int | None:
    """Return the number of workers that a study of a family has by its name; None for any other study.

    >>> workers_in_name("tiny-N12", "tiny"), workers_in_name("tiny-N12", "tin"), workers_in_name("tiny", "tiny")
    (12, None, None)
    """
    found = _MEMBER.fullmatch(study)
    return int(found["workers"]) if found is not None and found["family"] == family else None

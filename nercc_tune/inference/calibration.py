"""What is measured of the tuning groups, for decoders: second moments, and what right answers look like."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import torch

from nercc_tune.coding import Moments, Sites, Typical, measure_moments, measure_typical
from nercc_tune.inference.drawn_groups import DrawnGroups
from nercc_tune.records import DecodeSpace, Encoding

__all__ = ["Calibration", "Fold"]

Fold = tuple[slice, Moments]
"""Groups, and the moments that are used for them."""

_Key = tuple[Encoding, DecodeSpace]
_Kept = TypeVar("_Kept")

_FOLDS = 4
_KEPT = 8  # encodings, each of some megabytes


class Calibration:
    """What decoders know of the tuning groups, measured once for each encoding and decode space.

    Args:
        groups: The tuning groups; no others are ever looked at.
    """

    def __init__(self, groups: DrawnGroups) -> None:
        self._groups = groups
        self._whole: dict[_Key, Moments] = {}
        self._crossed: dict[_Key, tuple[Fold, ...]] = {}
        self._typical: dict[_Key, Typical | None] = {}

    def folds_for(self, drawn: DrawnGroups, encoding: Encoding, space: DecodeSpace) -> tuple[Fold, ...]:
        """Return the moments to be used for groups: those of the other parts, if they are the tuning groups."""
        if drawn is self._groups:
            return self.crossed(encoding, space)
        return ((slice(None), self.whole(encoding, space)),)

    def whole(self, encoding: Encoding, space: DecodeSpace) -> Moments:
        """Return the moments of all groups, for groups that are none of these."""
        key = (encoding, space)
        if key not in self._whole:
            _make_room(self._whole)
            self._whole[key] = self._measure(encoding, space, [slice(None)])
        return self._whole[key]

    def crossed(self, encoding: Encoding, space: DecodeSpace) -> tuple[Fold, ...]:
        """Return the groups in parts, each with the moments of all the others, so that none is scored on itself."""
        key = (encoding, space)
        if key not in self._crossed:
            _make_room(self._crossed)
            count = len(self._groups.outputs.groups.queries)
            folds = min(_FOLDS, count)
            edges = [count * fold // folds for fold in range(folds + 1)]
            self._crossed[key] = tuple(
                (slice(low, high), self._measure(encoding, space, [slice(0, low), slice(high, count)]))
                for low, high in pairwise(edges)
            )
        return self._crossed[key]

    def typical(self, encoding: Encoding, space: DecodeSpace) -> Typical | None:
        """Return what the answers of all workers look like, one by one; None where that cannot be told."""
        key = (encoding, space)
        if key not in self._typical:
            _make_room(self._typical)
            truth = self._groups.truth(encoding, space)
            measured = measure_typical(truth.answers(self._groups.answers(encoding)))
            self._typical[key] = None if measured is None else measured.rounded()
        return self._typical[key]

    def _measure(self, encoding: Encoding, space: DecodeSpace, parts: list[slice]) -> Moments:
        truth, layout = self._groups.truth(encoding, space), self._groups.layout(encoding)
        answers = Sites.of(layout.nodes).distinct(truth.answers(self._groups.answers(encoding)))
        wanted = truth.answers(layout.ordered(self._groups.outputs.uncoded()))
        return measure_moments(
            torch.cat([answers[part] for part in parts]), torch.cat([wanted[part] for part in parts])
        ).rounded()


def _make_room(kept: dict[_Key, _Kept]) -> None:
    while len(kept) >= _KEPT:
        del kept[next(iter(kept))]

"""What liars answer, in one cell and one part of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nercc_tune.records import ErrorKind
from nercc_tune.straggling import Liars

__all__ = ["CellLies"]


class CellLies:
    """The wrong answers under the masks of a cell.

    What is random about those of a mask follows from the seed and the number under which the mask was drawn: the same
    noise and the same exchanged groups for every code, encoder and decoder, and in whatever order the masks stand.
    """

    def __init__(
        self, liars: Liars, *, kinds: Sequence[ErrorKind], seed: int, order: Sequence[int] | None = None
    ) -> None:
        """Keep who lies, and how.

        Args:
            liars: By the numbers of the drawn masks.
            kinds: Those that masks have.
            seed: Of all that is random.
            order: [M] which drawn mask stands at each place; by default each at its own.

        Raises:
            ValueError: If a mask has a kind that there is not.
        """
        most = int(liars.kind.max(initial=0))
        if not most < len(kinds):
            raise ValueError(f"`kinds` must hold kind {most} of the masks, but got {len(kinds)} kinds.")
        self._liars = liars
        self._kinds = tuple(kinds)
        self._seed = seed
        self._drawn = tuple(range(len(liars.kind)) if order is None else order)
        self._workers = [torch.from_numpy(np.flatnonzero(lying)) for lying in liars.lying]

    def __len__(self) -> int:
        return len(self._drawn)

    def order(self, order: Tensor | NDArray[np.int64]) -> CellLies:
        """Return the same with the masks in another order: place i gets what stands here at place order[i]."""
        drawn = [self._drawn[place] for place in order.tolist()]
        return CellLies(self._liars, kinds=self._kinds, seed=self._seed, order=drawn)

    @property
    def kinds(self) -> tuple[ErrorKind, ...]:
        """The kinds that masks have in turn, in the order in which they were drawn."""
        return self._kinds

    def earliest(self, count: int) -> Tensor:
        """Return the places of the masks that were drawn first, ascending."""
        return torch.tensor(self._drawn).argsort(stable=True)[:count].sort().values

    def liars(self, mask: int) -> Tensor:
        """Return the numbers of the workers that lie under a mask, [E] int64 ascending."""
        return self._workers[self._drawn[mask]]

    def kind(self, mask: int) -> ErrorKind:
        """Return how the liars of a mask lie."""
        return self._kinds[int(self._liars.kind[self._drawn[mask]])]

    def wrong(self, mask: int, outputs: Tensor, at: Tensor, stale: Callable[[ErrorKind], Tensor]) -> Tensor:
        """Return what the liars of a mask answer instead of what the model does.

        These are outputs as a worker sends them, in no decode space yet and not held to what the model could answer:
        where it answers with probabilities, the wrong ones may be negative, above 1, or not sum to 1.

        Args:
            mask: Its place.
            outputs: [G, N, c] right answers of all workers, in the order of the nodes β.
            at: [E] where in β the liars sit, in the order of `liars`.
            stale: Gives the outputs [G, N, c] of a model whose weights are off, in the same order; called for masks of
                such a kind only.

        Returns:
            [G, E, c] of the type and on the device of the outputs.

        Raises:
            ValueError: If there is another number of places than of liars, no other group to answer for, or the kind
                lacks its number.
        """
        kind, liars = self.kind(mask), self.liars(mask)
        if at.shape != liars.shape:
            raise ValueError(f"`at` must be a place for each of {len(liars)} liars, but got shape {tuple(at.shape)}.")
        seed = int(np.random.SeedSequence([self._seed, self._drawn[mask]]).generate_state(1)[0])
        return _LIES[kind.name](_Asked(kind=kind, outputs=outputs, at=at, seed=seed, stale=stale))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """What the liars of a mask are asked for, as `CellLies.wrong` gets it."""

    kind: ErrorKind
    outputs: Tensor
    at: Tensor
    seed: int
    stale: Callable[[ErrorKind], Tensor]

    @property
    def right(self) -> Tensor:
        """What they should answer, [G, E, c]."""
        return self.outputs[:, self.at]

    @property
    def number(self) -> float:
        """The number of the kind.

        Raises:
            ValueError: If it has none.
        """
        if self.kind.number is None:
            raise ValueError(f"`kind` must have a number, but got {self.kind}.")
        return self.kind.number


def _negate(asked: _Asked) -> Tensor:
    return -asked.right


def _disturb(asked: _Asked) -> Tensor:
    """Add noise of one worker after the other, drawn on the CPU so that every device gets the same."""
    right = asked.right
    shape, generator = (right.shape[1], right.shape[0], right.shape[2]), torch.Generator().manual_seed(asked.seed)
    return right + asked.number * torch.randn(shape, generator=generator).transpose(0, 1).to(right)


def _exchange(asked: _Asked) -> Tensor:
    groups = len(asked.outputs)
    if not groups > 1:
        raise ValueError(f"`outputs` must have a group to answer for instead, but got {groups} in all.")
    shift = int(np.random.default_rng(asked.seed).integers(1, groups))
    return asked.right.roll(-shift, 0)


def _be_stale(asked: _Asked) -> Tensor:
    return asked.stale(asked.kind)[:, asked.at].to(asked.outputs)


def _fill(asked: _Asked, value: float) -> Tensor:
    return torch.full_like(asked.right, value)


_LIES: dict[str, Callable[[_Asked], Tensor]] = {
    "sign-flip": _negate,
    "normal": _disturb,
    "other-query": _exchange,
    "stale": _be_stale,
    "constant": lambda asked: _fill(asked, asked.number),
    "nan": lambda asked: _fill(asked, torch.nan),
    "infinity": lambda asked: _fill(asked, torch.inf),
}
"""What each of `ERROR_KINDS` answers."""

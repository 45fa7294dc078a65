"""The answers of a cell's masks, those of liars among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nercc_tune.inference.lies import CellLies
from nercc_tune.records import DistrustKind, ErrorKind

__all__ = ["CellErrors", "GivenAnswers", "GivenBatch"]

_LEAST_APART = 1e-6  # of the answers' variance: rounding, also of devices and batches that differ
_AT_ONCE = 2**21  # answers of masks × groups × workers × outputs, in numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class CellErrors:
    """The wrong answers of a cell, and what may be done about them.

    Attributes:
        lies: In the order of the masks.
        distrusts: How wrong answers may be found.
        liars: How many answers are wrong in a mask, at most.
        most: As of `Distrust`.
    """

    lies: CellLies
    distrusts: tuple[DistrustKind, ...]
    liars: int
    most: int

    @classmethod
    def of(cls, lies: CellLies, *, distrusts: tuple[DistrustKind, ...], margin: int) -> CellErrors:
        """Take the numbers from the masks.

        Args:
            lies: Of all masks.
            distrusts: As the attribute.
            margin: How many more answers than lie may be distrusted.
        """
        liars = max(len(lies.liars(mask)) for mask in range(len(lies)))
        return cls(lies=lies, distrusts=distrusts, liars=liars, most=liars + margin)

    def ordered(self, order: Tensor) -> CellErrors:
        """Return the same with the masks in another order."""
        return replace(self, lies=self.lies.order(order))


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenBatch:
    """Answers under some masks of which equally many workers arrived.

    Attributes:
        masks: [m] their places among all masks.
        arrived: [m, F] positions in β, ascending.
        answers: [m, G, F, c] float64 in the decode space; 0 where they are no numbers.
        unusable: [m, G, F] bool, which are no numbers.
        lying: [m, F] bool, who lies.
    """

    masks: Tensor
    arrived: Tensor
    answers: Tensor
    unusable: Tensor
    lying: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenAnswers:
    """What the workers answer under the masks of a cell.

    Attributes:
        lies: Of the masks, in their order; None where nobody lies.
        batches: [M, F] positions in β of those who arrived, ascending, a tensor for each number F.
        position: [N] where in β each worker sits.
        outputs: [G, N, c] right outputs of all workers, in the order of β.
        read: Takes outputs to the decode space.
        stale: Gives the outputs of a model whose weights are off, as `CellLies.wrong` asks for them.
        rank: [N] at which distinct node each worker sits, in the order of β.
        groups: Which groups are looked at; all by default.
        masks: Which places among the masks; all by default.
    """

    lies: CellLies | None
    batches: Sequence[Tensor]
    position: Tensor
    outputs: Tensor
    read: Callable[[Tensor], Tensor]
    stale: Callable[[ErrorKind], Tensor]
    rank: Tensor
    groups: Tensor | None = None
    masks: Tensor | None = None

    @property
    def is_distinct(self) -> bool:
        """Whether no two workers sit at one node."""
        return bool((self.rank.diff() > 0).all())

    def expected_of_copies(self) -> float | None:
        """Return the mean squared distance of two right copies of one coded query, and at least one of rounding.

        None where no coded query is sent twice.
        """
        if self.is_distinct:
            return None
        right = self.read(self._own(self.outputs)).to(torch.float64)
        apart = right.diff(dim=1)[:, (self.rank.diff() == 0).to(right.device)].square().sum(-1).mean()
        spread = (right - right.mean(1, keepdim=True)).square().sum(-1).mean()
        return max(float(apart), _LEAST_APART * float(spread), torch.finfo(torch.float64).tiny)

    def each(self) -> Iterator[GivenBatch]:
        """Yield the answers of all masks in turn, some at a time."""
        outputs = self._own(self.outputs)
        right, start = self.read(outputs).to(torch.float64), 0
        at_once = max(1, _AT_ONCE // right.numel())
        for batch in self.batches:
            places = torch.arange(start, start + len(batch))
            if self.masks is not None:
                places = places[torch.isin(places, self.masks)]
            for part in places.split(at_once) if len(places) else ():
                yield self._given(part, batch[part - start], right)
            start += len(batch)

    def _given(self, places: Tensor, arrived: Tensor, right: Tensor) -> GivenBatch:
        answers = right[:, arrived.to(right.device)].transpose(0, 1).contiguous()
        lying = torch.zeros(arrived.shape, dtype=torch.bool)
        if self.lies is not None:
            for row, place in enumerate(places.tolist()):
                at = self.position[self.lies.liars(place)]
                if len(at):
                    where = torch.searchsorted(arrived[row], at)
                    lying[row, where] = True
                    wrong = self.read(self._own(self.lies.wrong(place, self.outputs, at, self.stale)))
                    answers[row][:, where] = wrong.to(answers)
        unusable = ~answers.isfinite().all(-1)
        answers.masked_fill_(unusable[..., None], 0.0)
        return GivenBatch(masks=places, arrived=arrived, answers=answers, unusable=unusable, lying=lying)

    def _own(self, values: Tensor) -> Tensor:
        return values if self.groups is None else values[self.groups]

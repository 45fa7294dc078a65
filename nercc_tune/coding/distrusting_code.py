"""A code whose decoder finds out which answers to distrust."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor
from typing_extensions import override

from nercc_tune.coding.answer_reader import AnswerReader
from nercc_tune.coding.linear import LinearCode
from nercc_tune.coding.nodal import NodalCode
from nercc_tune.coding.typical import Typical
from nercc_tune.records import Distrust

__all__ = ["DistrustingCode"]

_KEPT_MASKS = 64


class DistrustingCode(LinearCode):
    """Another code, which reads only those answers that the others do not contradict.

    `decode(…, return_suspects=True)` names the workers whose answers were distrusted. The matrices are those of the
    other code, which believes everybody. Estimates have no gradients: whom to believe has none.

    Args:
        inner: The code.
        distrust: How it distrusts, or a function of the number F of answers; None to believe all.
        typical: What answers look like, for a distrust that looks at it.

    Raises:
        ValueError: From `decode`, also if an estimate is not finite, or the answers have other outputs than tuned to.

    Example:
        >>> import torch
        >>> from nercc_tune.coding import NerccCode, node_set
        >>> inner = NerccCode(node_set("uniform", queries=4, workers=12), lambda_enc=0.0, lambda_dec=1e-6)
        >>> code = DistrustingCode(inner, Distrust(kind="residuals", level=3.0, most=2))
        >>> answers = code.encode(torch.linspace(0.0, 1.0, 4)[:, None])
        >>> answers[7] = 5.0
        >>> code.decode(answers, range(12), return_suspects=True)[1]
        (7,)
    """

    def __init__(
        self,
        inner: NodalCode,
        distrust: Distrust | Callable[[int], Distrust | None],
        *,
        typical: Typical | None = None,
    ) -> None:
        super().__init__(queries=inner.queries, workers=inner.workers)
        self.inner = inner
        self.distrust = distrust
        self._typical = typical
        self._kept: OrderedDict[bytes, AnswerReader] = OrderedDict()

    def distrust_for(self, arrived: int) -> Distrust | None:
        """Return how it distrusts for a number F of answers."""
        return self.distrust(arrived) if callable(self.distrust) else self.distrust

    @property
    @override
    def is_distrusting(self) -> bool:
        return True

    @override
    def read(self, answers: Tensor, workers: Tensor, *, dim: int) -> tuple[Tensor, tuple[int, ...]]:
        distrust = self.distrust_for(len(workers))
        if distrust is None or not answers.numel():
            return self.inner.read(answers, workers, dim=dim)
        ascending, order = workers.sort()
        first = answers.movedim(dim, 0)[order.to(answers.device)]
        # The last axis that is left holds the outputs; all others are of groups, which are read one by one.
        outputs = first.shape[-1] if first.ndim > 1 else 1
        given = first.detach().reshape(len(first), -1, outputs).transpose(0, 1).to(torch.float64)[None]
        unusable = torch.zeros(given.shape[:3], dtype=torch.bool, device=answers.device)
        estimates, suspects = self._reader(ascending).read(given, unusable=unusable, distrust=distrust)
        shaped = estimates[0].transpose(0, 1).reshape(self.queries, *first.shape[1:]).movedim(0, dim).to(answers.dtype)
        if not bool(shaped.isfinite().all()):
            raise ValueError(
                f"the estimates must be finite in {answers.dtype}, but the answers are too large; "
                f"the code was tuned for no more than {distrust.most} wrong ones."
            )
        return shaped, tuple(ascending[suspects[0].any(0).cpu()].tolist())

    def _reader(self, ascending: Tensor) -> AnswerReader:
        key = ascending.numpy().tobytes()
        if key not in self._kept:
            self._kept[key] = AnswerReader(self.inner.set_for(len(ascending)), ascending[None], self._typical)
            if len(self._kept) > _KEPT_MASKS:
                self._kept.popitem(last=False)
        return self._kept[key]

    def _build_encoder(self) -> Tensor:
        return self.inner.encoder_matrix

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        return self.inner.decoder_matrix(arrived)

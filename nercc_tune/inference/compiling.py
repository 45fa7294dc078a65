"""Networks that torch compiles at their first batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import one_line

_LONGEST_REASON = 200


def compile_network(network: Callable[[Tensor], object]) -> Callable[[Tensor], object]:
    """Return a network that is compiled when it is first called, once for batches of two or more queries.

    The result raises `WorkloadError` where the network cannot be compiled, or not for a batch.
    """
    from torch._dynamo import maybe_mark_dynamic  # noqa: PLC0415 - a second to import, for few studies
    from torch._dynamo.exc import TorchDynamoException  # noqa: PLC0415 - the same

    compiled = torch.compile(network)

    def answer(batch: Tensor) -> object:
        maybe_mark_dynamic(batch, 0)
        try:
            return compiled(batch)
        except TorchDynamoException as error:
            raise WorkloadError(
                f"`workload.compile` needs a model that torch can compile here, but it fails "
                f"({_reason(error)}); install a C++ compiler where that lacks, or leave `compile` out."
            ) from error

    return answer


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return one_line(lines[0], longest=_LONGEST_REASON) if lines else type(error).__name__

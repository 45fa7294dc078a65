"""Networks that torch compiles at their first batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import one_line

_LONGEST_REASON = 200


Backend = Callable[[torch.fx.GraphModule, list[Tensor]], Callable[..., Any]]


def compile_network(
    network: Callable[[Tensor], object], *, backend: str | Backend = "inductor"
) -> Callable[[Tensor], object]:
    """Return a network that is compiled, as a whole, when it is first called, once for all batches of two or more.

    Args:
        network: What is compiled.
        backend: What compiles it, as `torch.compile` takes it.

    Returns:
        The network, which raises `WorkloadError` where it cannot be compiled for a batch.

    Raises:
        WorkloadError: If it is TorchScript, which has a compiler of its own.
    """
    if isinstance(network, torch.jit.ScriptModule):
        raise WorkloadError(
            "`workload.compile` needs a model in Python or an exported program (`.pt2`), but got TorchScript; "
            "leave `compile` out."
        )
    from torch._dynamo import maybe_mark_dynamic  # noqa: PLC0415 - a second to import, for few studies
    from torch._dynamo.exc import TorchDynamoException  # noqa: PLC0415 - the same

    compiled = torch.compile(network, backend=backend, fullgraph=True)

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
    """Return the first line of what the compiler said, below the line that names the compiler."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.rstrip().endswith("raised:")]
    return one_line(lines[0], longest=_LONGEST_REASON) if lines else type(error).__name__

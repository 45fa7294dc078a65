"""Models by the names of timm."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import one_line

__all__ = ["build_timm_model", "check_timm_name"]

_PLAIN = re.compile(r"[\w.-]+")


def check_timm_name(name: str, others: Sequence[str] = ()) -> None:
    """Refuse a name that timm does not know, with the nearest of its names and of the `others`.

    Raises:
        WorkloadError: timm does not know the name.
    """
    import timm  # noqa: PLC0415 - takes seconds to import

    if _PLAIN.fullmatch(name) and timm.is_model(name):  # timm looks at a name up to its first dot only
        return
    nearest = difflib.get_close_matches(name, [*others, *timm.list_models()], n=3)
    hint = (
        f"did you mean {', '.join(f'`{near}`' for near in nearest)}?" if nearest else "timm.list_models() lists them."
    )
    raise WorkloadError(
        f"`model` must be a registered model, a timm name or a .pt or .pt2 file, but got `{one_line(name)}`; {hint}"
    )


def _count_outputs(name: str, weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Read the number of classes off the classifier of a checkpoint, where timm says which that is."""
    from timm.models import get_pretrained_cfg  # noqa: PLC0415 - the same

    config = get_pretrained_cfg(name)
    classifier = config.classifier if config is not None else None
    weight = weights.get(f"{classifier}.weight")
    return {} if weight is None else {"num_classes": len(weight)}


def build_timm_model(name: str, *, weights: Mapping[str, Tensor] | None = None, pretrained: bool = False) -> nn.Module:
    """Build a model of timm, with as many outputs as the classifier in `weights` has.

    `pretrained` fetches the published weights; otherwise the model has random ones.

    Raises:
        WorkloadError: There are no published weights, or they cannot be fetched.
    """
    import timm  # noqa: PLC0415 - the same

    sizes: dict[str, Any] = {} if weights is None else _count_outputs(name, weights)
    try:
        model: nn.Module = timm.create_model(name, pretrained=pretrained, **sizes)
    except (RuntimeError, OSError, ValueError) as error:
        reason = one_line(str(error).strip().split("\n")[0])
        raise WorkloadError(
            f"`{name}` cannot be built{' with its published weights' if pretrained else ''} ({reason}); "
            f"give a `checkpoint` file, or set `random_weights`."
        ) from error
    return model

"""Models by the names of timm."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.checkpoint import Checkpoint

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


def build_timm_model(
    name: str, *, checkpoint: Checkpoint | None = None, pretrained: bool = False, outputs: int | None = None
) -> nn.Module:
    """Build a model of timm, with as many outputs as are asked for, or as the classifier in a checkpoint has.

    `pretrained` fetches the published weights; otherwise the model has random ones.

    Raises:
        WorkloadError: There are no published weights, or they cannot be fetched.
    """
    model = _create(name, pretrained=pretrained, outputs=outputs)
    if checkpoint is None:
        return model
    own, weights = model.state_dict(), checkpoint.fitted(model.state_dict()).weights
    head = _classifier(model)
    is_other = head in own and head in weights and weights[head].ndim > 0 and len(weights[head]) != len(own[head])
    return _create(name, outputs=len(weights[head])) if is_other else model


def _classifier(model: nn.Module) -> str:
    """Return the name of the classifier's matrix, the first where there are several heads."""
    config = getattr(model, "pretrained_cfg", None) or {}
    classifier = config.get("classifier") or ""
    return f"{classifier if isinstance(classifier, str) else classifier[0]}.weight"


def _create(name: str, *, pretrained: bool = False, outputs: int | None = None) -> nn.Module:
    import timm  # noqa: PLC0415 - the same

    sizes: dict[str, Any] = {} if outputs is None else {"num_classes": outputs}
    try:
        model: nn.Module = timm.create_model(name, pretrained=pretrained, **sizes)
    except (RuntimeError, OSError, ValueError) as error:
        reason = one_line(str(error).strip().split("\n")[0])
        raise WorkloadError(
            f"`{name}` cannot be built{' with its published weights' if pretrained else ''} ({reason}); "
            f"give a `checkpoint` file, or set `random_weights`."
        ) from error
    return model

"""Networks by the names of models alone, with weights that are yet to be loaded."""

from __future__ import annotations

from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.models import MODELS
from nercc_tune.workloads.own_code import is_code
from nercc_tune.workloads.program import is_program
from nercc_tune.workloads.timm_model import build_timm_model, check_timm_name

__all__ = ["build_architecture"]


def build_architecture(model: str, outputs: int) -> nn.Module:
    """Build a network of a registered or a timm model, in the form that is served.

    Args:
        model: The name of the model.
        outputs: c.

    Raises:
        WorkloadError: If the model is one of your own, whose architecture no name tells.
    """
    if model in MODELS:
        return MODELS[model].build(outputs)
    if is_code(model) or is_program(model):
        raise WorkloadError(
            f"the architecture of `{one_line(model)}` is not known by its name; give the model, as "
            f"`nercc_tune.load_table(path, model=...)`."
        )
    check_timm_name(model, others=list(MODELS))
    return build_timm_model(model, outputs=outputs)

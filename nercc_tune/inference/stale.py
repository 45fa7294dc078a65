"""Networks with stale weights, which some liars run."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.records import ErrorKind
from nercc_tune.spec import StudySpec

__all__ = ["find_stale", "stale_network", "stale_networks"]


def stale_networks(spec: StudySpec, model: nn.Module) -> dict[str, nn.Module]:
    """Return a network for each kind of stale weights that a study has, by a name that holds the kind and the seed.

    All kinds are off in the same direction, by as much as each says.

    Raises:
        WorkloadError: If the model has no weights that can be changed.
    """
    seed = spec.evaluation.seed
    kinds = {kind.label: kind.number for kind in spec.errors.each if kind.name == "stale"}
    return {
        f"{label}#{seed}": stale_network(model, scale, seed=seed) for label, scale in kinds.items() if scale is not None
    }


def find_stale(kind: ErrorKind, networks: Iterable[str]) -> str:
    """Return the name that the network of a kind has among others.

    Raises:
        ValueError: If none of them has these weights.
    """
    name = next((name for name in networks if name.rpartition("#")[0] == kind.label), None)
    if name is None:
        raise ValueError(f"`kind` must be one whose network is run here, but got {kind.label!r}.")
    return name


def stale_network(model: nn.Module, scale: float, *, seed: int) -> nn.Module:
    """Return a copy of a model whose weights w are off: w + σ·s·n, of a tensor's own deviation s and n ~ N(0, 1).

    Parameters of one element or of equal ones stay as they are, and so do buffers, such as running means.

    Args:
        model: What is copied; it may be an exported program or TorchScript.
        scale: σ.
        seed: Of n; the same for every σ.

    Raises:
        WorkloadError: If the model has no weights that can be changed.
    """
    network = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    changed = 0
    with torch.no_grad():
        for parameter in network.parameters():
            if not (parameter.is_floating_point() and parameter.numel() > 1):
                continue
            deviation = float(parameter.double().std())
            if deviation > 0:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_((scale * deviation * noise).to(parameter))
                changed += 1
    if not changed:
        raise WorkloadError(
            "stale weights need a model whose parameters can be changed, but this one has none that differ; leave "
            "`stale` out of `errors.kinds`, or export a program that is not frozen."
        )
    return network

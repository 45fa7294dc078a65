"""From the options of a command to settings; what cannot be meant is told in one line."""

from __future__ import annotations

from typing import Any, cast

from nercc_tune.errors import ServiceError
from nercc_tune.hosting.settings import HostSettings
from nercc_tune.inference import resolve_device
from nercc_tune.service.ray_workers import Placement
from nercc_tune.service.scheme import Scheme
from nercc_tune.service.scheme_settings import SchemeName, SchemeSettings
from nercc_tune.service.slowness_settings import make_slowness
from nercc_tune.spec.settings import ResourceSettings

__all__ = ["choose_scheme", "choose_settings"]


def choose_scheme(name: str, **chosen: Any) -> SchemeSettings:
    """Return a scheme by its name and what is chosen of it, as for `SchemeSettings`.

    Raises:
        ServiceError: If it cannot be meant.
    """
    try:
        return SchemeSettings(name=cast("SchemeName", name), **chosen)
    except ValueError as error:
        raise ServiceError(str(error)) from error


def choose_settings(
    scheme: Scheme, resources: ResourceSettings, *, device: str, slowness: str | None, address: str, **chosen: Any
) -> HostSettings:
    """Return where and how a scheme is served.

    A new cluster is this machine, whose workers share its CPUs without reserving them; its GPUs are divided among them
    where the study's device is one. On another cluster each worker is given what the study says.

    Args:
        scheme: What is served.
        resources: Of the study.
        device: Of the study.
        slowness: A line for `make_slowness`, or None.
        address: Of the cluster.
        chosen: The rest of `HostSettings`.

    Raises:
        NerccTuneError: If it cannot be meant.
    """
    is_gpu = device.startswith("cuda") or (device == "auto" and resolve_device(device).type == "cuda")
    gpus = resources.num_gpus or (_share_of_gpu(scheme.workers) if address == "local" else 1.0)
    placement = Placement(
        num_cpus=0.0 if address == "local" else resources.num_cpus,
        num_gpus=gpus if is_gpu else 0.0,
        device="cuda" if is_gpu else "cpu",
    )
    made = None if slowness is None else make_slowness(slowness, workers=scheme.workers, seed=0)
    try:
        return HostSettings(address=address, placement=placement, slowness=made, **chosen)
    except ValueError as error:
        raise ServiceError(str(error)) from error


def _share_of_gpu(workers: int) -> float:
    """Return the share of a GPU that each worker of this machine is given."""
    import torch  # noqa: PLC0415 - only where there is a GPU

    count = max(1, torch.cuda.device_count())
    return 1.0 / max(1, -(-workers // count))

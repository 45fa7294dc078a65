"""The queries with which the networks of a trained code are trained: none of those that a study serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from nercc_tune.errors import WorkloadError
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.data_paths import data_root
from nercc_tune.workloads.data_request import DataRequest
from nercc_tune.workloads.datasets import DATASETS
from nercc_tune.workloads.digest import digest_parts, tensor_bytes
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.kept import KeptQueries
from nercc_tune.workloads.queries import ArrayQueries, ImageQueries
from nercc_tune.workloads.workload import QuerySource, Workload

__all__ = ["TrainingQueries", "load_training_queries"]

_MOST_BYTES = 2**31  # of prepared queries, as many as a check of those that are served keeps
_CHUNK = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingQueries:
    """Queries in memory, prepared like those that are served, in the order of their data set, often class by class.

    Attributes:
        queries: [n, *query_shape] float32.
        labels: [n] int64.
        identity: A digest of which queries they are and how they were prepared, wherever they lie.
        available: How many there are; n is less where not all fit into memory.
    """

    queries: Tensor
    labels: Tensor
    identity: str
    available: int

    def __len__(self) -> int:
        return len(self.labels)


def load_training_queries(
    settings: WorkloadSettings,
    workload: Workload,
    *,
    data_dir: Path,
    unused: Sequence[int],
    notify: Callable[[str], None],
) -> TrainingQueries:
    """Prepare the training split of the data that a workload serves, or the queries of it that nobody takes.

    Those of `folder` and `npz`, which have no training split, are the `unused` ones. Where all of them would take more
    than 2 GiB, as many as fit are taken evenly from the whole, which `notify` is told.

    Args:
        settings: Those that the workload was loaded from.
        workload: What is served.
        data_dir: As for `load_workload`.
        unused: Which of the served queries no part of the study takes.
        notify: Is told of downloads, and of queries that are left out.

    Raises:
        WorkloadError: There are none, they cannot be read, they do not fit the model, or the training split is what is
            served.
        DataMissingError: The files of the training split are not there.
        ValueError: `unused` names a query that is not there.
    """
    try:
        served = _unwrapped(workload.data)
        if isinstance(served, ImageQueries) and DATASETS[settings.data].has_training_split:
            request = DataRequest(data_dir=data_root(settings, data_dir), is_training=True, notify=notify)
            source = _training_split(served, DATASETS[settings.data].open(request))
            return _load(source, range(len(source)), workload, notify=notify)
        if not unused:
            raise WorkloadError(
                f"a trained code needs queries to train with, but `{workload.data_name}` has no training split and the "
                f"study takes all {len(served)} queries; add queries, or take fewer groups."
            )
        return _load(served, unused, workload, notify=notify)
    except OSError as error:
        raise WorkloadError(f"a file of the workload cannot be read: {one_line(error)}.") from error


def _unwrapped(source: QuerySource) -> QuerySource:
    """Return a source that does not keep what it loads."""
    return source.source if isinstance(source, KeptQueries) else source


def _training_split(served: ImageQueries, opened: ImageSet | ArrayQueries) -> ImageQueries:
    if not isinstance(opened, ImageSet):
        raise WorkloadError(f"the training split of `{served.name}` must be images, as what is served.")
    under_one_name = replace(opened, split=served.images.split)
    if ImageQueries(images=under_one_name, preprocessing=served.preprocessing).identity == served.identity:
        raise WorkloadError(
            f"the training split of `{served.name}` must not be what is served, but holds the same images; "
            "put the published training images in its place."
        )
    return ImageQueries(images=opened, preprocessing=served.preprocessing)


def _load(
    source: QuerySource, indices: Sequence[int], workload: Workload, *, notify: Callable[[str], None]
) -> TrainingQueries:
    taken = _as_many_as_fit(indices, workload.query_shape)
    if len(taken) < len(indices):
        notify(f"{len(taken)} of {len(indices)} training queries are taken, for no more fit into memory")
    queries = torch.empty(len(taken), *workload.query_shape)
    labels = torch.empty(len(taken), dtype=torch.int64)
    for start in range(0, len(taken), _CHUNK):
        chunk, labels[start : start + _CHUNK] = source.load(taken[start : start + _CHUNK])
        if tuple(chunk.shape[1:]) != workload.query_shape:
            raise WorkloadError(
                f"the training queries of `{source.name}` must have the shape {workload.query_shape} of those that are "
                f"served, but got {tuple(chunk.shape[1:])}; resize the images first."
            )
        queries[start : start + _CHUNK] = chunk
    if not workload.outputs > int(labels.max()):
        raise WorkloadError(
            f"the training queries of `{source.name}` must have labels below the {workload.outputs} outputs of "
            f"`{workload.model_name}`, but got {int(labels.max())}; put the published training images in their place."
        )
    return TrainingQueries(queries=queries, labels=labels, identity=_identify(source, taken), available=len(indices))


def _as_many_as_fit(indices: Sequence[int], shape: tuple[int, ...]) -> list[int]:
    """Take a part, evenly, where all would be too large."""
    most = max(_MOST_BYTES // (4 * torch.Size(shape).numel()), 1)
    if len(indices) <= most:
        return list(indices)
    return [indices[place * len(indices) // most] for place in range(most)]


def _identify(source: QuerySource, taken: Sequence[int]) -> str:
    prepared = source.preprocessing.description if isinstance(source, ImageQueries) else "as they are"
    return digest_parts([source.identity.encode(), prepared.encode(), tensor_bytes(torch.tensor(taken))])

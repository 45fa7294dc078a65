"""From the workload section of a study file to a workload."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from nercc_tune.errors import WorkloadError
from nercc_tune.spec.settings import WorkloadSettings
from nercc_tune.text.one_line import one_line
from nercc_tune.workloads.channels import fit_channels
from nercc_tune.workloads.data_paths import data_root, find_path
from nercc_tune.workloads.data_request import DataRequest
from nercc_tune.workloads.datasets import DATASETS, state_preprocessing
from nercc_tune.workloads.digest import digest_parts, digest_weights
from nercc_tune.workloads.image_set import ImageSet
from nercc_tune.workloads.models import MODELS
from nercc_tune.workloads.output_check import measure_outputs
from nercc_tune.workloads.own_code import build_from_code, find_preprocessing, is_code
from nercc_tune.workloads.own_model import build_own_model
from nercc_tune.workloads.preprocessing import PlainPixels, Preprocessing, TimmPreprocessing
from nercc_tune.workloads.program import is_program, load_program
from nercc_tune.workloads.queries import ArrayQueries, ImageQueries
from nercc_tune.workloads.timm_model import build_timm_model, check_timm_name
from nercc_tune.workloads.weights import apply_checkpoint, read_checkpoint
from nercc_tune.workloads.workload import Workload

__all__ = ["load_workload"]

_Notify = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class _LoadedModel:
    name: str
    model: nn.Module
    architecture: str
    preprocessing: Preprocessing
    weights_source: str


def _find_weights_of(model: str, data_dir: Path) -> Path | None:
    """Return `weights/<model>.safetensors`, or the first such file with a suffix like `_in1k` after the name."""
    folder = data_dir / "weights"
    found = [*folder.glob(f"{model}.safetensors"), *sorted(folder.glob(f"{model}[._-]*.safetensors"))]
    return found[0] if found else None


def _ignore(text: str) -> None: ...


def _load_own(
    settings: WorkloadSettings, opened: ImageSet | ArrayQueries, *, home: Path, data_dir: Path, notify: _Notify
) -> _LoadedModel:
    outputs = int(opened.labels.max()) + 1
    model, source = build_own_model(settings, outputs=outputs, home=home, data_dir=data_dir, notify=notify)
    prepare = state_preprocessing(DATASETS[settings.data], MODELS[settings.model])
    name = settings.model
    return _LoadedModel(name=name, model=model, architecture=name, preprocessing=prepare, weights_source=source)


def _load_timm(settings: WorkloadSettings, data_dir: Path, notify: _Notify) -> _LoadedModel:
    name = settings.model
    check_timm_name(name, others=list(MODELS))
    local = _find_weights_of(name, data_dir) if settings.pretrained else None
    if settings.checkpoint is not None or local is not None:
        checkpoint = read_checkpoint(local or Path(settings.checkpoint or "").expanduser())
        model, source = build_timm_model(name, checkpoint=checkpoint), "pretrained" if local else "checkpoint"
        apply_checkpoint(model, checkpoint, notify)
    elif settings.pretrained:
        model, source = build_timm_model(name, pretrained=True), "pretrained"
    elif settings.random_weights:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            model, source = build_timm_model(name), "random"
    else:
        raise WorkloadError(
            f"`{name}` needs weights: give a `checkpoint` file, set `pretrained` to fetch the published ones, "
            f"or set `random_weights` to measure speed alone."
        )
    prepare = TimmPreprocessing.of(model)
    return _LoadedModel(name=name, model=model, architecture=name, preprocessing=prepare, weights_source=source)


def _load_program(settings: WorkloadSettings) -> _LoadedModel:
    if settings.checkpoint is not None or settings.pretrained or settings.random_weights:
        raise WorkloadError(
            "`checkpoint`, `pretrained` and `random_weights` must be left out where `model` is a file with its weights."
        )
    path = find_path(settings.model, Path())
    model = load_program(path)
    return _LoadedModel(
        name=path.name,
        model=model,
        architecture="program " + hashlib.sha256(path.read_bytes()).hexdigest(),
        preprocessing=PlainPixels(),
        weights_source="exported program",
    )


def _load_code(settings: WorkloadSettings, notify: _Notify) -> _LoadedModel:
    name = settings.model
    if settings.pretrained or settings.random_weights:
        raise WorkloadError(
            f"`pretrained` and `random_weights` must be left out for `{name}`, whose code gives the weights."
        )
    model, source = build_from_code(name, seed=settings.seed), "own code"
    if settings.checkpoint is not None:
        apply_checkpoint(model, read_checkpoint(Path(settings.checkpoint)), notify)
        source = "checkpoint"
    prepare = find_preprocessing(model)
    return _LoadedModel(
        name=name, model=model, architecture=f"code {name}", preprocessing=prepare, weights_source=source
    )


def _refuse_code(model: str) -> None:
    if is_code(model):
        what = "names Python code, which may do all that you may"
    elif is_program(model):
        what = "is a file with a program, which may run Python code or write files"
    else:
        return
    raise WorkloadError(f"`{one_line(model)}` {what}; give --allow-code if you trust the study file.")


def load_workload(
    settings: WorkloadSettings,
    *,
    home: Path,
    data_dir: Path,
    notify: _Notify = _ignore,
    check_size: Callable[[int], None] = lambda _: None,
    allow_code: bool = False,
) -> Workload:
    """Load the model, its weights and the data that the workload section of a study names.

    `data_dir` holds the data sets, unless the settings name another folder, which may be relative to it; so may a
    checkpoint. `pretrained` takes `weights/<model>*.safetensors` in `data_dir` where there is such a file, and else
    lets timm fetch the weights. `home` keeps the weights that were trained; `notify` is told of downloads and
    trainings; `check_size` gets the number of queries before anything is trained, and may raise. Images go through
    timm's preprocessing for a model of timm, are resized and normalised by the data set's mean and std for a model of
    the package, and are divided by 255 for a file. Without `allow_code` nothing that a study names can run code: no
    `package.module:factory` is imported, no program is loaded, and pickles are read for their tensors alone.

    Raises:
        WorkloadError: The model, its weights or the data cannot be used, do not fit each other, or are code that is not
            allowed.
        DataMissingError: A file is not there.
        OutputError: The model does not give one finite vector of logits for each query, with one for each label.
    """
    if not allow_code:
        _refuse_code(settings.model)
    try:
        return _load(settings, home=home, data_dir=data_dir, notify=notify, check_size=check_size)
    except OSError as error:
        raise WorkloadError(f"a file of the workload cannot be read: {one_line(error)}.") from error


def _load(
    settings: WorkloadSettings, *, home: Path, data_dir: Path, notify: _Notify, check_size: Callable[[int], None]
) -> Workload:
    if settings.data not in DATASETS:
        nearest = difflib.get_close_matches(settings.data, DATASETS, n=1)
        hint = f"; did you mean `{nearest[0]}`?" if nearest else "."
        raise WorkloadError(f"`data` must be one of {', '.join(DATASETS)}, but got `{one_line(settings.data)}`{hint}")
    root = data_root(settings, data_dir)
    if settings.checkpoint is not None:
        settings = settings.model_copy(update={"checkpoint": str(find_path(settings.checkpoint, data_dir))})
    opened = DATASETS[settings.data].open(DataRequest(data_dir=root, is_training=False, notify=notify))
    check_size(len(opened))
    if settings.model in MODELS:
        loaded = _load_own(settings, opened, home=home, data_dir=root, notify=notify)
    elif is_program(settings.model):
        loaded = _load_program(settings)
    elif is_code(settings.model):
        loaded = _load_code(settings, notify)
    else:
        loaded = _load_timm(settings, data_dir, notify)
    return _assemble(settings, opened, loaded)


def _assemble(settings: WorkloadSettings, opened: ImageSet | ArrayQueries, loaded: _LoadedModel) -> Workload:
    model = loaded.model
    if loaded.weights_source != "exported program":  # an exported program refuses to change its mode
        model = model.float().eval()
    for parameter in model.parameters():
        parameter.requires_grad = False
    source = _prepare(opened, loaded) if isinstance(opened, ImageSet) else opened
    prepared = loaded.preprocessing.description if isinstance(opened, ImageSet) else "as they are"
    shape, outputs = measure_outputs(model, source, model_name=loaded.name, output_kind=settings.outputs)
    weights = digest_weights(model.state_dict())
    return Workload(
        model_name=loaded.name,
        data_name=settings.data,
        model=model,
        data=source,
        query_shape=shape,
        outputs=outputs,
        fingerprint=digest_parts(part.encode() for part in (weights, loaded.architecture, source.identity, prepared)),
        weights_source=loaded.weights_source,
        output_kind=settings.outputs,
    )


def _prepare(images: ImageSet, loaded: _LoadedModel) -> ImageQueries:
    if not isinstance(loaded.preprocessing, PlainPixels):
        return ImageQueries(images=images, preprocessing=loaded.preprocessing)
    preprocessing, notes = fit_channels(loaded.model, images, model_name=loaded.name)
    return ImageQueries(images=replace(images, notes=(*images.notes, *notes)), preprocessing=preprocessing)

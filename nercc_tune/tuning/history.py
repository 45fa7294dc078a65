"""Studies as they stand in Optuna's storage: opening the cells of one, and reading everything back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.storages import BaseStorage
from pydantic import ValidationError

from nercc_tune.errors import HomeError, StorageError
from nercc_tune.records import Cell, Policy, Provenance, StudyHistory, WorkloadInfo, from_json, to_json
from nercc_tune.spec import StudySpec
from nercc_tune.tuning.cell_reading import HEADER, RESULT, read_cell
from nercc_tune.tuning.cell_study import CellStudy
from nercc_tune.tuning.ledger import ledger_name

_START_OVER = "launch with `--fresh` to start over, or give the study another name."


def open_cells(
    storage: BaseStorage, spec: StudySpec, cells: Sequence[Cell], workload: WorkloadInfo
) -> dict[int, CellStudy]:
    """Open or create the Optuna studies of all cells, by straggler count.

    Raises:
        HomeError: If the storage holds a study of this name with another digest or another workload.
    """
    check_identity(storage, spec, workload)
    opened = {}
    for cell in cells:
        header = {
            "digest": spec.digest,
            "spec": to_spec_json(spec),
            "workload": to_json(workload),
            "cell": to_json(cell),
        }
        opened[cell.stragglers] = CellStudy.open(storage, cell, spec, header)
    return opened


def check_identity(
    storage: BaseStorage, spec: StudySpec, workload: WorkloadInfo | None = None, *, remedy: str = _START_OVER
) -> None:
    """Refuse to go on with a study that is not the one in the storage; `remedy` ends the message.

    Raises:
        HomeError: If a study of this name has another digest, or other weights or data.
    """
    for header in _headers(storage, spec.name).values():
        if header["digest"] != spec.digest:
            raise HomeError(f"this home holds results of another study file named `{spec.name}`; {remedy}")
        if workload is not None and header["workload"]["fingerprint"] != workload.fingerprint:
            raise HomeError(f"the weights or the data of study `{spec.name}` changed since its first launch; {remedy}")


def stored_spec(storage: BaseStorage, name: str) -> StudySpec:
    """Return the study file of a study that was launched, without its URLs.

    Raises:
        StorageError: If the storage holds no such study.
    """
    headers = _headers(storage, name)
    if not headers:
        raise _absent(storage, name)
    return StudySpec.model_validate(next(iter(headers.values()))["spec"], strict=False)


def delete_study(storage: BaseStorage, name: str) -> None:
    """Delete all cells of a study from the storage, and its ledger."""
    ledgers = {study_name for study_name in optuna.get_all_study_names(storage) if study_name == ledger_name(name)}
    for study_name in (*_headers(storage, name), *ledgers):
        optuna.delete_study(study_name=study_name, storage=storage)


def study_names(storage: BaseStorage) -> list[str]:
    """Return the names of the studies in a storage, sorted."""
    studies = storage.get_all_studies()  # Optuna's summaries would read all trials, too
    return sorted({study.user_attrs[HEADER]["cell"]["study"] for study in studies if HEADER in study.user_attrs})


def read_history(storage: BaseStorage, name: str) -> StudyHistory:
    """Read all that the storage holds of a study.

    Raises:
        StorageError: If it holds no such study, or what it holds was written by another version.
    """
    headers = _headers(storage, name)
    if not headers:
        raise _absent(storage, name)
    try:
        return _history(storage, name, headers)
    except (ValidationError, KeyError) as error:
        raise StorageError(
            f"study `{name}` was written by another version of nercc_tune; launch it with `--fresh`."
        ) from error


def read_all(storage: BaseStorage) -> dict[str, StudyHistory]:
    """Read all studies of a storage, by name.

    Raises:
        StorageError: As for `read_history`.
    """
    return {name: read_history(storage, name) for name in study_names(storage)}


def to_spec_json(spec: StudySpec) -> dict[str, Any]:
    """Return a study file as JSON values, URLs left out since they may hold passwords, and what is of other codes."""
    others = {"training"} if spec.code.trained_kind is None else set()
    return spec.model_dump(mode="json", exclude={"storage", "tracking", *others})


def _history(storage: BaseStorage, name: str, headers: dict[str, dict[str, Any]]) -> StudyHistory:
    first = next(iter(headers.values()))
    spec = StudySpec.model_validate(first["spec"], strict=False)
    studies = {study_name: optuna.load_study(study_name=study_name, storage=storage) for study_name in headers}
    cells = sorted(
        (
            read_cell(study, from_json(Cell, headers[study_name]["cell"]), spec.search.goal)
            for study_name, study in studies.items()
        ),
        key=lambda history: history.cell.stragglers,
    )
    results = [study.user_attrs[RESULT] for study in studies.values() if RESULT in study.user_attrs]
    is_finished = len(results) == len(studies)
    return StudyHistory(
        name=name,
        digest=first["digest"],
        spec=first["spec"],
        decoder_grid=spec.decoder_grid,
        workload=from_json(WorkloadInfo, first["workload"]),
        cells=tuple(cells),
        policy=from_json(Policy, results[0]["policy"]) if is_finished else None,
        provenance=from_json(Provenance, results[0]["provenance"]) if is_finished else None,
    )


def _absent(storage: BaseStorage, name: str) -> StorageError:
    known = ", ".join(study_names(storage)) or "none"
    return StorageError(f"the storage holds no study `{name}` (it has: {known}); run `nercc-tune launch` first.")


def _headers(storage: BaseStorage, name: str) -> dict[str, dict[str, Any]]:
    """Return the headers of a study's cells by the names of their Optuna studies."""
    return {
        study.study_name: study.user_attrs[HEADER]
        for study in storage.get_all_studies()
        if study.user_attrs.get(HEADER, {}).get("cell", {}).get("study") == name
    }

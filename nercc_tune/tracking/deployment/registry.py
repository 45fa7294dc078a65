"""MLflow's model registry: registers codes, and says which of them serves.

A version's files belong to a run of their own kind in the study's experiment, which `sync` does not touch. Everything
goes through the client: nothing here depends on MLflow's active run or its global URI.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import sqlalchemy
from sqlalchemy.pool import NullPool

from nercc_tune.errors import TrackingError
from nercc_tune.serving import ServedTable, load_table
from nercc_tune.tracking.content import KIND, NOTE, clip
from nercc_tune.tracking.deployment.deployed import (
    CHAMPION,
    DEPLOYMENT,
    PREVIOUS,
    PROMOTED_AT,
    Deployed,
    DeployedCode,
    Version,
)
from nercc_tune.tracking.deployment.note import deployment_note
from nercc_tune.tracking.deployment.packaging import save_coded_model
from nercc_tune.tracking.experiments import open_experiment
from nercc_tune.tracking.reachability import check_tracking, is_server, is_sqlite, owner_of, sqlite_path
from nercc_tune.tracking.silent import MlflowClient, MlflowException, ModelVersion
from nercc_tune.tracking.store import fold_log, open_client, translated

_MODEL = "model"
_PROGRAM = "nercc-tune"
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
_EXISTS = "RESOURCE_ALREADY_EXISTS"


class Registry:
    """The registered models of a tracking store.

    Args:
        url: The tracking store.
        artifacts: Folder of the files that belong to runs; a server keeps them where it likes.

    Raises:
        TrackingError: If the store cannot be reached or read; so does every method.
    """

    def __init__(self, url: str, artifacts: Path | None) -> None:
        self._url = url
        self._artifacts = artifacts
        self._client: MlflowClient = open_client(url, artifacts)

    def read(self, name: str) -> Deployed:
        """Return what the aliases of a registered model point to; nothing where there is no such model.

        Raises:
            TrackingError: Also if they point to a version that nercc_tune did not register.
        """
        with translated(self._url):
            aliases = self._aliases(name)
            champion, previous = (
                self._client.get_model_version(name, str(aliases[alias])) if alias in aliases else None
                for alias in (CHAMPION, PREVIOUS)
            )
        if champion and previous and champion.version == previous.version:  # an interruption left both there
            previous = None
        return Deployed(
            name=name,
            champion=_version(champion) if champion else None,
            previous=_version(previous) if previous else None,
        )

    def find(self, name: str, code: DeployedCode) -> Version | None:
        """Return the newest version of a registered model that is this code of the same table, its files complete."""
        with translated(self._url):
            return next((version for version in self._same(name, code) if self._is_whole(version)), None)

    def register(self, served: ServedTable, code: DeployedCode, *, name: str, promoted_at: str) -> Version:
        """Add a version, to which no alias points yet.

        Args:
            served: The table that the version carries, with its moments.
            code: Which of its codes it serves, as `DeployedCode.of(table, …)`.
            name: Of the registered model, which is made if there is none.
            promoted_at: See `Version`.
        """
        note = deployment_note(served.table, code, name=name)
        tags = code.tags() | {PROMOTED_AT: promoted_at}
        with translated(self._url):
            run_id, source = self._store(served, code, note)
            try:
                self._client.create_registered_model(name, tags={KIND: DEPLOYMENT})
            except MlflowException as error:
                if error.error_code != _EXISTS:
                    raise
            made = self._client.create_model_version(name, source, run_id=run_id, tags=tags, description=note)
        return _version(made)

    def load(self, version: Version) -> ServedTable:
        """Return the table that a version carries, with what lies beside it.

        Raises:
            TableError: If its files were changed or cut.
        """
        with tempfile.TemporaryDirectory() as folder:
            with translated(self._url):
                path = self._client.download_artifacts(version.run_id, f"{_MODEL}/artifacts", folder)
            return load_table(Path(path) / "table.json")

    def promote(self, version: Version, *, instead_of: Version | None) -> Deployed:
        """Make a version the champion: first the old champion becomes the previous one, and the champion comes last.

        An interruption before the last step leaves the old champion where it was.
        """
        with translated(self._url):
            if instead_of is not None:
                self._client.set_registered_model_alias(version.name, PREVIOUS, str(instead_of.version))
            self._point(version)
        fold_log(self._url)
        return self.read(version.name)

    def rollback(self, deployed: Deployed, *, promoted_at: str) -> Deployed:
        """Swap champion and previous; the champion changes first, so that an interruption does not keep the bad one.

        Raises:
            ValueError: If there is no previous version.
        """
        if deployed.previous is None:
            raise ValueError("`deployed.previous` must be a version, but got None.")
        with translated(self._url):
            self._point(replace(deployed.previous, promoted_at=promoted_at))
            if deployed.champion is not None:
                self._client.set_registered_model_alias(deployed.name, PREVIOUS, str(deployed.champion.version))
        fold_log(self._url)
        return self.read(deployed.name)

    def _point(self, version: Version) -> None:
        self._client.set_model_version_tag(version.name, str(version.version), PROMOTED_AT, version.promoted_at)
        self._client.set_registered_model_alias(version.name, CHAMPION, str(version.version))

    def _aliases(self, name: str) -> dict[str, str]:
        try:
            return dict(self._client.get_registered_model(name).aliases)
        except MlflowException as error:
            if error.error_code != _ABSENT:
                raise
            return {}

    def _same(self, name: str, code: DeployedCode) -> Iterator[Version]:
        """Yield the versions with this content, newest first."""
        wanted, token = f"name = '{name}'", None
        found: list[ModelVersion] = []
        while token != "":
            page = self._client.search_model_versions(wanted, page_token=token)
            found += page
            token = page.token or ""
        for item in sorted(found, key=lambda item: -int(item.version)):
            if code.tags().items() <= item.tags.items():
                yield _version(item)

    def _is_whole(self, version: Version) -> bool:
        """Whether the files are still there: somebody may have deleted the run."""
        try:
            files = self._client.list_artifacts(version.run_id, _MODEL)
        except MlflowException as error:
            if error.error_code != _ABSENT:
                raise
            return False
        return f"{_MODEL}/MLmodel" in {file.path for file in files}

    def _store(self, served: ServedTable, code: DeployedCode, note: str) -> tuple[str, str]:
        """Keep the model's files in a run of their own, and return its id and where they are."""
        run = self._client.create_run(
            open_experiment(self._client, code.study, url=self._url, artifacts=self._artifacts)[0],
            run_name=f"deployment, {code.serves}",
            tags={key: clip(value) for key, value in code.tags().items()}
            | {NOTE: note, "mlflow.source.name": _PROGRAM},
        )
        run_id = run.info.run_id
        status = "FAILED"
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = save_coded_model(served, code, Path(folder))
                self._client.log_artifacts(run_id, str(path), _MODEL)
            status = "FINISHED"
        finally:
            self._client.set_terminated(run_id, status)
        return run_id, f"{run.info.artifact_uri}/{_MODEL}"


def is_blank(url: str) -> bool:
    """Whether a tracking store has no tables yet, so that opening it would make them.

    Raises:
        TrackingError: If it cannot be reached, or belongs to something else.
    """
    if is_server(url):
        return False
    check_tracking(url)
    if is_sqlite(url) and not sqlite_path(url).exists():
        return True
    with translated(url):
        engine = sqlalchemy.create_engine(url, poolclass=NullPool)
        return owner_of(set(sqlalchemy.inspect(engine).get_table_names())) is None


def _version(found: ModelVersion) -> Version:
    try:
        return Version(
            name=found.name,
            version=int(found.version),
            run_id=str(found.run_id),
            promoted_at=found.tags[PROMOTED_AT],
            code=DeployedCode.from_tags(found.tags),
        )
    except (KeyError, ValueError) as error:
        raise TrackingError(
            f"version {found.version} of the registered model `{found.name}` is not from nercc-tune; "
            "give this service a name of its own with `--name`."
        ) from error

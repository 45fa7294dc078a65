"""Where a service finds what it serves: the champion of a registered model, or a table's file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from nercc_tune.errors import PromotionError
from nercc_tune.export.table import TunedTable
from nercc_tune.records import PolicyEntry
from nercc_tune.serving import ServedTable, load_table
from nercc_tune.tracking.deployment.deployed import Version
from nercc_tune.tracking.deployment.promotion import load_promoted, read_deployments

__all__ = ["ChampionSource", "Found", "Source", "TableSource", "serving_alone"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What is to be served.

    Attributes:
        served: The table; its policy is what is served.
        key: Another one wherever something else is to be served.
        title: What it is called.
    """

    served: ServedTable
    key: str
    title: str


class Source(Protocol):
    """Says what is to be served, now and whenever it is asked."""

    def key(self) -> str:
        """Return the key of what is to be served now, at little cost."""

    def read(self) -> Found:
        """Read what is to be served now."""


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """The policy of a table's file, as it was when the service began."""

    path: Path

    def key(self) -> str:
        """Return the same whatever became of the file."""
        return str(self.path)

    def read(self) -> Found:
        """Read the table.

        Raises:
            TableError: If it cannot be trusted.
        """
        served = load_table(self.path)
        return Found(served=served, key=self.key(), title=f"the policy of {served.table.study}, from {self.path.name}")


@dataclass(frozen=True, kw_only=True)
class ChampionSource:
    """The champion of a registered model.

    Attributes:
        url: The tracking store.
        name: Of the registered model.
    """

    url: str
    name: str

    def key(self) -> str:
        """Return which version is the champion.

        Raises:
            PromotionError: If there is none.
            TrackingError: If the tracking store fails.
        """
        return self._champion().uri

    def read(self) -> Found:
        """Read the champion's table.

        Raises:
            NerccTuneError: If there is none, or it cannot be read.
        """
        version = self._champion()
        served = load_promoted(self.url, version)
        if version.code.stragglers is not None:
            served = replace(served, table=serving_alone(served.table, version.code.stragglers))
        title = f"version {version.version} of {self.name}, {version.code.serves} of {version.code.study}"
        return Found(served=served, key=version.uri, title=title)

    def _champion(self) -> Version:
        champion = read_deployments(self.url, self.name).champion
        if champion is None:
            raise PromotionError(
                f"`{self.name}` has no champion to serve; deploy one by `nercc-tune promote`, or give a table's file."
            )
        return champion


def serving_alone(table: TunedTable, stragglers: int) -> TunedTable:
    """Return a table whose policy is the code of one straggler count.

    Raises:
        TableError: If the table has no entry for the count.
    """
    entry = table.entry(stragglers)
    decoding = PolicyEntry(
        stragglers=entry.stragglers,
        lambda_dec=entry.lambda_dec,
        kernel=entry.kernel,
        distrust=entry.distrust,
        df_dec=entry.df_dec,
        heldout=entry.heldout,
    )
    policy = replace(
        table.policy,
        design=entry.design,
        lambda_enc=entry.lambda_enc,
        moments=entry.moments,
        networks=entry.networks,
        typical=entry.typical,
        df_enc=entry.df_enc,
        entries=(decoding,),
        heldout=entry.heldout,
    )
    return replace(table, policy=policy)

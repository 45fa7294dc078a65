"""What the codes of a study need beside its table in the home."""

from __future__ import annotations

from nercc_tune.coding import pack_networks
from nercc_tune.errors import TableError
from nercc_tune.export.attachments import networks_path, read_attachments
from nercc_tune.export.moments import moments_path, pack_moments
from nercc_tune.export.table import TunedTable
from nercc_tune.export.typical import pack_typical, typical_path
from nercc_tune.home import Home, write_whole
from nercc_tune.inference import Inference
from nercc_tune.records import Policy, StudyHistory, TunedEntry
from nercc_tune.selection import Judge
from nercc_tune.training import CodeTrainer

__all__ = ["has_attachments", "keep_attachments"]


def keep_attachments(home: Home, judge: Judge, inference: Inference, chosen: list[TunedEntry | Policy]) -> None:
    """Write what the chosen codes need beside the table; before the choice is recorded, which needs it."""
    table = home.table(inference.spec.name)
    moments = [judge.moments_of(item.design, item.lambda_enc) for item in chosen]
    needed = {item.digest: item for item in moments if item is not None}
    if needed:
        write_whole(moments_path(table), pack_moments(needed.values()))
    else:
        moments_path(table).unlink(missing_ok=True)  # of an earlier choice
    typical = [judge.typical_of(item.design, item.lambda_enc) for item in chosen if item.typical is not None]
    looked_at = {item.digest: item for item in typical if item is not None}
    if looked_at:
        write_whole(typical_path(table), pack_typical(looked_at.values()))
    else:
        typical_path(table).unlink(missing_ok=True)
    trainings = {item.design.training for item in chosen if item.design.training is not None}
    if isinstance(inference.trained, CodeTrainer):
        for networks in map(inference.trained.networks, trainings):
            write_whole(networks_path(table, networks.digest), pack_networks(networks))


def has_attachments(home: Home, history: StudyHistory) -> bool:
    """Whether all that a judged study's table needs is in a home, as another home's is not."""
    table = TunedTable.from_history(history)
    try:
        read_attachments(table, beside=home.table(history.name))
    except TableError:
        return False
    return True

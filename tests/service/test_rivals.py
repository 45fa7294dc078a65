"""The schemes by name: what they take of a table, and what is refused."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import nn
from typing_extensions import override

from nercc_tune.coding import TrainedCode
from nercc_tune.errors import ServiceError
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Design
from nercc_tune.service.answered import Answered
from nercc_tune.service.engine import Engine
from nercc_tune.service.local_workers import LocalWorkers
from nercc_tune.service.rivals import Rival, rival
from nercc_tune.service.rules import Answers, Deadline, ErrorBound
from nercc_tune.service.scheme import Hedge
from nercc_tune.service.scheme_settings import SCHEMES, SchemeSettings
from nercc_tune.serving import ServedTable
from nercc_tune.serving.served_code import ServedCode
from tests.builders import tuned_table
from tests.service.doubles import ask_all, distinct

DESIGN = Design(nodes="copies-2", ordering="nearest-neighbour", decode_space="logits-softmax")
MODEL = nn.Identity()


def _table() -> TunedTable:
    """Return a table of 4 queries on 12 workers, tuned for 1, 2 or 4 stragglers."""
    table = tuned_table(stragglers=(1, 2, 4))
    entries = tuple(replace(entry, queries=4, workers=12) for entry in table.entries)
    return replace(table, entries=entries, policy=replace(table.policy, design=DESIGN, lambda_enc=0.0))


@dataclass(frozen=True)
class _Trained(ServedTable):
    """A table whose policy is parity models of 4 queries on 6 workers."""

    @override
    def policy(self) -> ServedCode | TrainedCode:
        return TrainedCode(queries=4, workers=6, mixer=_Sums(), parity_networks=(nn.Identity(), _Twice()))


class _Sums(nn.Module):
    def forward(self, queries: torch.Tensor) -> torch.Tensor:
        weights = torch.tensor([[1.0, 1, 1, 1], [1, 2, 3, 4]], dtype=queries.dtype)
        return torch.einsum("rk,bk...->br...", weights, queries)


class _Twice(nn.Module):
    def forward(self, queries: torch.Tensor) -> torch.Tensor:
        return 1.0 * queries


SERVED, TRAINED = ServedTable(_table()), _Trained(_table())


def _made(name: str, **settings: Any) -> Rival:
    chosen = SchemeSettings(name=name, **settings)  # type: ignore[arg-type]  # one of them
    return rival(chosen, TRAINED if name == "parity" else SERVED, MODEL)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_answers(name: str) -> None:
    made = _made(name)
    queries = distinct(8)

    async def serve() -> list[Answered | BaseException]:
        engine = Engine(made.scheme, made.codec, LocalWorkers(made.networks, is_inline=True))
        answers = await ask_all(engine, queries)
        await engine.close()
        return answers

    assert made.scheme.name == name
    for answer, query in zip(asyncio.run(serve()), queries, strict=True):
        assert isinstance(answer, Answered)
        assert float(answer.probabilities.sum()) == pytest.approx(1)
        if name != "bacc":  # the others answer with copies before anything is decoded
            assert torch.allclose(answer.probabilities, query.softmax(-1))


@pytest.mark.parametrize(
    ("name", "settings", "workers"),
    [
        ("none", {}, 4),
        ("none", {"workers": 24}, 8),
        ("equal-resources", {}, 12),
        ("replication", {"workers": 7}, 7),
        ("hedging", {"hedge": Hedge(quantile=0.9)}, 12),
        ("coded", {}, 12),
        ("coded", {"workers": 24}, 24),
        ("bacc", {}, 12),
        ("parity", {}, 6),
        ("parity", {"workers": 18}, 18),
    ],
)
def test_machines_of_each_scheme(name: str, settings: dict[str, Any], workers: int) -> None:
    made = _made(name, **settings)
    assert made.scheme.workers == len(made.networks) == workers


def test_parity_workers_run_their_networks() -> None:
    made = _made("parity", workers=12)
    assert [type(network).__name__ for network in made.networks[8:]] == ["Identity", "Identity", "_Twice", "_Twice"]
    assert all(network is MODEL for network in made.networks[:8])
    assert made.scheme.rule == Answers(count=4)


def test_rules_are_those_of_the_table_unless_said() -> None:
    assert _made("coded").scheme.rule == Answers(count=10)  # 12 less the middle count
    assert _made("bacc").scheme.rule == Answers(count=10)
    assert _made("coded", answers=9).scheme.rule == Answers(count=9)
    assert _made("coded", deadline_s=0.1).scheme.rule == Deadline(seconds=0.1, least=8, count=12)
    deadline = _made("coded", deadline_s=0.1, least=9, answers=11).scheme.rule
    assert deadline == Deadline(seconds=0.1, least=9, count=11)


def test_an_error_bound_waits_until_the_tables_error_is_within_it() -> None:
    """Where no copies are given; with them, the error of those without is larger."""
    errors = {entry.stragglers: entry.heldout.prob_mse.mean for entry in SERVED.table.policy.entries}
    bound = 1.01 * errors[2]
    rule = _made("coded", error_bound=bound, confirm=True).scheme.rule
    assert isinstance(rule, ErrorBound)
    assert not rule.readable(set(range(9)), {0}, 1.0)
    assert rule.readable(set(range(10)), {0}, 1.0) == {0}
    assert rule.readable(set(range(8)), {0}, math.inf) == {0}
    given = _made("coded", error_bound=bound * 12).scheme.rule
    assert isinstance(given, ErrorBound)
    assert float(given.expected(set(range(10)))[0]) > errors[2]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "coded",
            {"answers": 7},
            "must be from 8 to 12, since the table is tuned for up to 4 stragglers of 12",
        ),
        ("coded", {"answers": 13}, "`answers` must be from 8 to 12"),
        ("coded", {"deadline_s": 1.0, "least": 3}, "`least` must be from 8 to 12"),
        ("coded", {"deadline_s": 1.0, "least": 10, "answers": 9}, "`least` must be at most `answers` = 9, but got 10"),
        (
            "coded",
            {"error_bound": 1e-9, "confirm": True},
            "must be at least .*, which is expected at best",
        ),
        ("coded", {"workers": 13}, "`workers` must be a multiple of the code's 12, but got 13"),
        ("replication", {"copies": 13}, "`copies` must be at most the 12 workers, but got 13"),
    ],
)
def test_what_the_table_cannot_do_is_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        _made(name, **settings)


def test_a_table_of_the_other_kind_is_refused() -> None:
    with pytest.raises(ServiceError, match=r"`parity` must have a table of a trained code, .* choose `coded`"):
        rival(SchemeSettings(name="parity"), SERVED, MODEL)
    with pytest.raises(ServiceError, match=r"`coded` must have a table of a linear code, .* choose `parity`"):
        rival(SchemeSettings(name="coded"), TRAINED, MODEL)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "best"}, "`name` must be one of none, equal-resources, .*, but got 'best'"),
        ({"name": "coded", "workers": 0}, "`workers` must be at least 1, but got 0"),
        ({"name": "coded", "deadline_s": math.nan}, "`deadline_s` must be positive and finite, but got nan"),
        ({"name": "coded", "error_bound": 0.0}, r"`error_bound` must be positive and finite, but got 0\.0"),
        ({"name": "coded", "max_wait_s": -1.0}, r"`max_wait_s` must be at least 0 and finite, but got -1\.0"),
        ({"name": "none", "answers": 3}, "`answers` must be left out for `none`, which decodes nothing"),
        ({"name": "hedging", "confirm": True}, "`confirm` must be left out for `hedging`"),
        (
            {"name": "coded", "error_bound": 1.0, "answers": 3},
            "must be given alone, but got answers, error_bound",
        ),
        ({"name": "coded", "least": 3}, "`least` must come with a `deadline_s`"),
        ({"name": "coded", "hedge": Hedge()}, "`hedge` must be left out for `coded`, which sends nothing again"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SchemeSettings(**settings)

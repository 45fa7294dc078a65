"""Tables of codes that distrust answers, read back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from nercc_tune.errors import TableError
from nercc_tune.export.table import parse_table
from nercc_tune.records import Design, Distrust, Kernel
from tests.comparing import PARITY
from tests.served import distrusting_table, wrong_answers

_DISTRUST = Distrust(kind="tukey", level=4.5, most=3, scale=0.2)


@pytest.mark.parametrize("kernel", [None, Kernel(range=0.5)], ids=["spline", "kriging"])
def test_a_table_that_distrusts_read_back_is_equal_and_has_another_digest(kernel: Kernel | None) -> None:
    table = distrusting_table(_DISTRUST, kernel=kernel)
    first = replace(table.entries[0], wrong_answers=wrong_answers(0.002))
    single = replace(table.policy.single, distrust=_DISTRUST)
    table = replace(table, entries=(first, *table.entries[1:]), policy=replace(table.policy, single=single))
    assert parse_table(table.to_json()) == table
    digests = {distrusting_table(distrust, kernel=kernel).digest for distrust in (None, _DISTRUST)}
    assert len(digests | {distrusting_table(replace(_DISTRUST, level=4.6), kernel=kernel).digest, table.digest}) == 4
    assert table.moments == table.networks == ()


@pytest.mark.parametrize("place", ["entries", "policy"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "astrology"}, r"distrust\.kind` is wrong: input should be 'residuals', .* or 'rational'\.$"),
        ({"kind": "median"}, r"distrust` is wrong: `level` of 'median' must be whole, but got 4\.5\.$"),
        ({"level": 0.0}, r"distrust` is wrong: `level` must be positive and finite, but got 0\.0\.$"),
        ({"most": -1}, r"distrust` is wrong: `most` must be at least 0, but got -1\.$"),
        ({"most": 2.5}, r"distrust\.most` is wrong"),
        ({"least": 2}, r"distrust\.least` is wrong"),
    ],
)
def test_a_distrust_that_cannot_be_is_refused_in_a_line(place: str, change: dict[str, Any], message: str) -> None:
    values = json.loads(distrusting_table(_DISTRUST).to_json())
    entries = values["entries"] if place == "entries" else values["policy"]["entries"]
    entries[1]["distrust"].update(change)
    where = r"entries\.1" if place == "entries" else r"policy\.entries\.1"
    with pytest.raises(TableError, match=rf"^the table's field `{where}\.{message}") as refused:
        parse_table(json.dumps(values))
    assert str(refused.value).isprintable()


def test_a_distrust_of_which_a_field_is_missing_is_refused() -> None:
    values = json.loads(distrusting_table(_DISTRUST).to_json())
    del values["entries"][0]["distrust"]["most"]
    with pytest.raises(TableError, match=r"`entries\.0\.distrust\.most` is wrong: field required"):
        parse_table(json.dumps(values))


def test_a_changed_distrust_does_not_match_the_digest() -> None:
    values = json.loads(distrusting_table(_DISTRUST).to_json())
    values["policy"]["entries"][0]["distrust"]["level"] = 1000.0
    with pytest.raises(TableError, match="digest does not match"):
        parse_table(json.dumps(values))


def test_a_trained_code_that_distrusts_is_refused() -> None:
    table = distrusting_table(None, stragglers=(20,))
    design = Design(decoder="subtraction", training=PARITY)
    trained = replace(table.entries[0], design=design, lambda_dec=0.0, networks="0" * 64)
    assert parse_table(replace(table, entries=(trained,)).to_json()).networks == ("0" * 64,)
    with pytest.raises(TableError, match="trained codes `networks` and no `distrust`"):
        parse_table(replace(table, entries=(replace(trained, distrust=_DISTRUST),)).to_json())

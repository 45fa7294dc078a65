"""Rivals as they are written."""

from __future__ import annotations

import pytest

from nercc_tune.errors import SpecError
from nercc_tune.service.bench_codes import read_codes
from nercc_tune.service.scheme import Hedge
from nercc_tune.service.scheme_settings import SCHEMES, SchemeSettings


def test_every_scheme_is_a_code_by_its_name() -> None:
    codes = read_codes(SCHEMES, workers=12, max_wait_s=0.02)
    assert [code.settings for code in codes] == [
        SchemeSettings(name=name, workers=12, max_wait_s=0.02) for name in SCHEMES
    ]


def test_what_is_set_of_it() -> None:
    texts = (
        "coded, deadline_ms=60, least=2",
        "parity,study=parity-mnist",
        "hedging,budget=0.1",
        "replication,copies=3",
    )
    coded, parity, hedging, replication = read_codes(texts, workers=None, max_wait_s=0.01)
    assert coded.settings == SchemeSettings(name="coded", deadline_s=0.06, least=2)
    assert coded.label == "coded, deadline_ms=60, least=2"
    assert (parity.settings, parity.study) == (SchemeSettings(name="parity"), "parity-mnist")
    assert hedging.settings.hedge == Hedge(budget=0.1)
    assert replication.settings.copies == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raid", "one of none, equal-resources"),
        ("coded,when=now", "keys of study"),
        ("coded,least", "keys of study"),
        ("coded,least=2,least=3", "twice"),
        ("coded,least=two", "cannot be used"),
        ("none,deadline_ms=5", "must be left out"),
        ("hedging,budget=0", "in \\(0, 1\\]"),
        ("coded,deadline_ms=nan", "positive and finite"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        read_codes([text], workers=12, max_wait_s=0.01)
    assert "\n" not in str(caught.value)


def test_codes_must_differ() -> None:
    with pytest.raises(SpecError, match="must differ"):
        read_codes(["coded", "coded"], workers=12, max_wait_s=0.01)

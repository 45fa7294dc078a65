"""Decoders and copies in a study file."""

from __future__ import annotations

import pytest

from nercc_tune.errors import SpecError
from nercc_tune.inference import check_designs
from nercc_tune.records import Design, Encoding
from tests.fakes import tiny_spec


def test_copies_are_node_sets_of_their_own() -> None:
    spec = tiny_spec("search.nodes=['uniform', 'copies']", "search.copies=[0, 2]")
    assert [encoding.nodes for encoding in spec.encodings] == ["uniform", "copies-0", "copies-2"]
    check_designs(spec)


def test_the_baselines_may_have_copies() -> None:
    spec = tiny_spec("code.nodes=copies", "code.copies=2")
    assert spec.reference == Design(nodes="copies-2")
    assert spec.encodings == (Encoding(nodes="copies-2"),)


def test_decoders_are_readings() -> None:
    spec = tiny_spec(
        "search.decoders=['spline', 'calibrated']",
        "search.decode_spaces=['probabilities', 'logits']",
        "search.objective=prob_mse",
    )
    assert spec.readings == (
        ("identity", "probabilities", "spline"),
        ("identity", "probabilities", "calibrated"),
        ("identity", "logits", "spline"),
        ("identity", "logits", "calibrated"),
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["search.decoders=['splines']"],
            r"`search.decoders.0`: it must be 'spline', 'kriging', 'calibrated', 'berrut-0', .*, but got 'splines'",
        ),
        (["search.decoders=[]"], "`decoders` must list at least one decoder"),
        (["search.decoders=['kriging', 'kriging']"], "`decoders` must not repeat a choice"),
        (["search.decoders=['kriging']", "search.strategy=joint"], 'needs strategy = "profile": "joint" samples λ_dec'),
        (
            ["search.decoders=['calibrated']", "search.pruner=median"],
            'the decoder "calibrated" is scored on all groups at once',
        ),
        (
            ["search.decoders=['calibrated']", "evaluation.tuning_groups=1"],
            "`evaluation.tuning_groups` of at least 2, .* but got 1",
        ),
        (
            ["search.decoders=['kriging']", "search.nodes=['chord-length']"],
            'the nodes "chord-length" are fitted to each group',
        ),
        (["search.nodes=['copies']"], 'nodes = "copies" needs `copies`'),
        (["code.nodes=copies"], 'nodes = "copies" needs `copies`'),
        (["search.copies=[1]"], '`copies` needs "copies" among `nodes`'),
        (["search.nodes=['copies']", "search.copies=[-1]"], "`search.copies.0`: it must be greater than or equal to 0"),
        (["search.nodes=['copies']", "search.copies=[1.5]"], "`search.copies.0`: it must be"),
    ],
)
def test_what_cannot_be_searched_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message) as refused:
        tiny_spec(*overrides)
    assert "\n" not in str(refused.value)


def test_more_copies_than_there_are_workers_for_are_refused() -> None:
    with pytest.raises(SpecError, match=r"`copies` must be from 0 to N // K = 2, but got 3"):
        check_designs(tiny_spec("search.nodes=['copies']", "search.copies=[1, 3]"))


def test_new_keys_that_say_nothing_leave_digests_as_they_were() -> None:
    assert tiny_spec("search.decoders=['spline']").digest == tiny_spec().digest
    assert tiny_spec("search.decoders=['kriging']").digest != tiny_spec().digest
    copies = tiny_spec("search.nodes=['copies']", "search.copies=[1]")
    assert copies.digest != tiny_spec("search.nodes=['copies']", "search.copies=[2]").digest

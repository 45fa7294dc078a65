"""Wrong answers in a study file, what of them is refused, and what they do to its digest."""

from __future__ import annotations

import pytest

from nercc_tune.errors import SpecError
from nercc_tune.home.shipped import find_study
from nercc_tune.records import ERROR_KINDS, ErrorKind
from nercc_tune.spec import StudySpec, load_family, parse_study
from tests.fakes import tiny_spec

FEW = "code={ queries = 3, workers = 12, stragglers = [2, 4] }"
KINDS = "errors.kinds=['sign-flip', 'normal-10', 'nan']"
LYING = (FEW, KINDS, "errors.count=2")
TRAINED = """
name = "trained"
[workload]
model = "lenet5"
data = "digits"
[code]
kind = "parity"
queries = 3
workers = 5
stragglers = [1, 2]
"""


def _spec(*overrides: str) -> StudySpec:
    return tiny_spec(*LYING, *overrides)


def test_a_study_has_no_wrong_answers_unless_it_says_so() -> None:
    spec = tiny_spec()
    assert not spec.errors.are_given
    assert (spec.errors.each, spec.distrusts) == ((), ())


def test_kinds_are_kept_by_their_full_names() -> None:
    spec = _spec("errors.kinds=['normal', 'constant-2.50', 'stale-0']")
    assert spec.errors.kinds == ("normal-1", "constant-2.5", "stale-0")
    assert spec.errors.each == tuple(ErrorKind.of(kind) for kind in spec.errors.kinds)
    masks = tuple(f"evaluation.{part}_masks={len(ERROR_KINDS)}" for part in ("tuning", "validation", "heldout"))
    every = _spec(f"errors.kinds={list(ERROR_KINDS)}", *masks)
    assert [kind.name for kind in every.errors.each] == list(ERROR_KINDS)


def test_a_share_of_the_answers_may_be_wrong_instead_of_a_number() -> None:
    spec = tiny_spec(FEW, KINDS, "errors.probability=0.2")
    assert (spec.errors.count, spec.errors.probability) == (None, 0.2)


def test_residuals_and_copies_distrust_where_nothing_else_is_listed() -> None:
    assert _spec().distrusts == ("residuals", "copies")
    assert _spec("search.distrusts=['tukey', 'median']").distrusts == ("tukey", "median")


_BAD = {
    "an unknown kind": (
        ["errors.kinds=['flip']"],
        r"in `errors\.kinds`: a kind of wrong answers must be one of sign-flip, normal-<number>, .*, but got 'flip'\.$",
    ),
    "a number of a kind that has none": (["errors.kinds=['sign-flip-2']"], r"must be one of .*, but got 'sign-flip-2'"),
    "a negative number": (["errors.kinds=['constant--1']"], r"must be one of .*, but got 'constant--1'\.$"),
    "a number too large": (
        [f"errors.kinds=['normal-1{'0' * 400}']"],
        r"the number of a kind of wrong answers must be finite, but got 'normal-1000",
    ),
    "a kind twice": (
        ["errors.kinds=['normal-1', 'normal']"],
        r"in `errors\.kinds`: `kinds` must not repeat a kind, but got \['normal-1', 'normal'\]\.$",
    ),
    "no list": (["errors.kinds=sign-flip"], r"`errors\.kinds`: it must be a list, but got 'sign-flip'\.$"),
    "a number without kinds": (["errors.kinds=[]"], r"in `errors`: `count` needs `kinds`, how answers are wrong\.$"),
    "stickiness without kinds": (
        ["errors={ sticky = true }"],
        r"in `errors`: `sticky` needs `kinds`, how answers are wrong\.$",
    ),
    "a margin without kinds": (
        ["errors={ margin = 2 }"],
        r"in `errors`: `margin` needs `kinds`, how answers are wrong\.$",
    ),
    "a number and a share": (
        ["errors.probability=0.1"],
        r"in `errors`: `kinds` need either `count` or `probability`, how many of the answers are wrong\.$",
    ),
    "a share of half": (["errors.probability=0.5"], r"`errors\.probability`: it must be less than 0\.5, but got 0\.5"),
    "a negative number of liars": (["errors.count=-1"], r"`errors\.count`: .* greater than or equal to 0, but got -1"),
    "a broken number of liars": (["errors.count=1.5"], r"`errors\.count`: it must be .*, but got 1\.5\.$"),
    "a negative margin": (["errors.margin=-1"], r"`errors\.margin`: .* greater than or equal to 0, but got -1\.$"),
    "an unknown key": (["errors.counts=2"], r"unknown key `errors\.counts`; did you mean `count`\?"),
    "more than the bound": (
        ["errors.count=3"],
        r"`errors\.count <= \(workers - stragglers - queries\) / 2` must hold, .* bear 2 wrong answers of .* got 3\.$",
    ),
    "any where none can be borne": (
        ["code.workers=7", "errors.count=1"],
        r"7 workers with 4 stragglers bear 0 wrong answers of 3 queries, but got 1\.$",
    ),
    "a joint search": (
        ["search.strategy=joint"],
        r'wrong answers need `search\.strategy = "profile"` and .*, but got \'joint\' and \'none\'\.$',
    ),
    "a pruner": (["search.pruner=median"], r"`search\.pruner = \"none\"`, .*, but got 'profile' and 'median'\.$"),
    "nodes of each group": (
        ["search.nodes=['uniform', 'chord-length']"],
        r'the nodes "chord-length" are fitted to each group, and distrust needs nodes that all groups share',
    ),
    "nodes of each group for the baselines": (["code.nodes=chord-length"], r'the nodes "chord-length" are fitted'),
    "an exchange with nobody": (
        ["errors.kinds=['other-query']", "evaluation.heldout_groups=1"],
        r"the kind `other-query` needs at least 2 groups in every part, whose answers are exchanged\.$",
    ),
    "fewer masks than kinds": (
        ["evaluation.validation_masks=2"],
        r"every part needs a mask for each of the 3 `errors\.kinds`, which masks have in turn, but one has 2; raise ",
    ),
    "an unknown distrust": (
        ["search.distrusts=['astrology']"],
        r"`search\.distrusts\.0`: it must be 'residuals', 'huber', .* or 'rational', but got 'astrology'\.$",
    ),
    "rational decoders alone": (
        ["search.decoders=['berrut-0', 'berrut-2']"],
        r"rational decoders distrust by medians, .* locators alone, but got `distrusts` of \['residuals', 'copies'\]",
    ),
    "a distrust twice": (["search.distrusts=['huber', 'huber']"], r"`distrusts` must not repeat a choice"),
}


@pytest.mark.parametrize("kind", ["median", "copies", "polynomial"])
def test_rational_decoders_may_distrust_by_what_expects_nothing_of_answers(kind: str) -> None:
    assert _spec("search.decoders=['berrut-0']", f"search.distrusts=['{kind}']").distrusts == (kind,)


@pytest.mark.parametrize("case", _BAD)
def test_what_cannot_be_is_refused_in_one_line(case: str) -> None:
    overrides, message = _BAD[case]
    with pytest.raises(SpecError, match=message) as refused:
        _spec(*overrides)
    assert "\n" not in str(refused.value)


def test_a_share_without_kinds_is_refused() -> None:
    with pytest.raises(SpecError, match=r"`probability` needs `kinds`, how answers are wrong\.$"):
        tiny_spec("errors.probability=0.1")


def test_kinds_without_a_number_are_refused() -> None:
    with pytest.raises(SpecError, match=r"`kinds` need either `count` or `probability`"):
        tiny_spec(FEW, KINDS)


def test_distrust_without_wrong_answers_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"`search\.distrusts` needs wrong answers, `errors\.kinds`, on which it is tun"
    ):
        tiny_spec("search.distrusts=['huber']")


def test_trained_codes_cannot_distrust() -> None:
    parse_study(TRAINED)
    with pytest.raises(SpecError, match=r"wrong answers need `code\.kind = \"nercc\"`, .*, but got 'parity'\.$"):
        parse_study(TRAINED, overrides=("errors.kinds=['nan']", "errors.count=0"))


@pytest.mark.parametrize("queries", [2, 3, 4])
def test_as_many_may_lie_as_the_bound_says_and_no_more(queries: int) -> None:
    code = f"code={{ queries = {queries}, workers = 12, stragglers = [1, 3] }}"
    bearable = (12 - 3 - queries) // 2
    assert tiny_spec(code, KINDS, f"errors.count={bearable}").errors.count == bearable
    with pytest.raises(SpecError, match=rf"bear {bearable} wrong answers of {queries} queries"):
        tiny_spec(code, KINDS, f"errors.count={bearable + 1}")


# What studies had before there were wrong answers, when their results were made.
_EARLIER = {
    "lenet5-mnist": "cbeb6ef253c145f4dd598ba44136d2f7605791425ad42f7f364f800c72803a7f",
    "lenet5-digits": "387d74b9669f7c9421f6f58ebb88d7fbfa2099d0f52cd9d5bd14167be85ac509",
    "small-groups-mnist": "d569050df2305327dfa7e732cb8191e53686b8e138039981e6e63271ab1ef5ab",
    "parity-mnist": "8cf74a3fd0fb6bf6ca677822c5d3db2e002a5b88582e1be904a5707c7888ae0e",
}


@pytest.mark.parametrize("name", _EARLIER)
def test_studies_without_wrong_answers_keep_their_digests(name: str) -> None:
    (study,) = load_family(find_study(name)).members
    assert study.digest == _EARLIER[name]


@pytest.mark.parametrize(
    "override",
    [
        "errors.kinds=['sign-flip', 'normal-10', 'infinity']",
        "errors.kinds=['normal-10', 'sign-flip', 'nan']",
        "errors.count=1",
        "errors={ kinds = ['sign-flip', 'normal-10', 'nan'], probability = 0.2 }",
        "errors.sticky=true",
        "errors.margin=4",
        "search.distrusts=['huber']",
        "search.distrusts=['residuals', 'huber']",
    ],
)
def test_every_key_of_wrong_answers_decides(override: str) -> None:
    assert _spec(override).digest not in (_spec().digest, tiny_spec(FEW).digest)


def test_what_stands_for_the_same_has_the_same_digest() -> None:
    assert _spec("errors.kinds=['sign-flip', 'normal-10.0', 'nan']", "errors.margin=5").digest == _spec().digest
    assert tiny_spec("errors.kinds=[]").digest == tiny_spec().digest

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from nercc_tune.errors import SpecError
from nercc_tune.spec import build_family, build_study, load_family, load_study
from nercc_tune.spec.family import member_name, workers_in_name
from nercc_tune.spec.redundancy import count_of
from tests.fakes import TINY, tiny_spec

_VALUES: dict[str, Any] = tomllib.loads(TINY)


def _code(text: str) -> str:
    return f"code={{ queries = 5, {text} }}"


def test_a_list_of_workers_is_a_study_for_each_ascending() -> None:
    family = build_family(_VALUES, overrides=["code.workers=[20, 12, 16]"])
    assert (family.name, family.is_single) == ("tiny", False)
    assert [(member.name, member.code.workers) for member in family.members] == [
        ("tiny-N12", 12),
        ("tiny-N16", 16),
        ("tiny-N20", 20),
    ]


def test_a_member_is_the_study_that_a_file_of_its_own_would_be() -> None:
    family = build_family(_VALUES, overrides=[_code("workers = [12, 20], straggler_shares = [0.1, 0.3]")])
    alone = tiny_spec("name=tiny-N20", _code("workers = 20, stragglers = [2, 6]"))
    assert family.members[1] == alone
    assert family.members[1].digest == alone.digest


def test_one_number_is_a_family_of_one_that_keeps_its_name() -> None:
    family = build_family(_VALUES)
    assert (family.is_single, family.members) == (True, (tiny_spec(),))


def test_a_list_of_one_is_a_family_too() -> None:
    family = build_family(_VALUES, overrides=["code.workers=[12]"])
    assert not family.is_single
    assert [member.name for member in family.members] == ["tiny-N12"]


def test_stores_are_set_for_every_member() -> None:
    family = build_family(_VALUES, overrides=["code.workers=[12, 20]"]).placed(storage="sqlite:///x.db", workers=3)
    assert {(member.storage.url, member.resources.workers) for member in family.members} == {("sqlite:///x.db", 3)}


def test_shares_are_counts_of_their_own_at_every_number_of_workers() -> None:
    shares = _code("workers = [12, 20, 40], straggler_shares = [0.4, 0.05, 0.1]")
    counts = [member.code.stragglers for member in build_family(_VALUES, overrides=[shares]).members]
    assert counts == [(1, 5), (1, 2, 8), (2, 4, 16)]


def test_shares_at_one_number_of_workers_have_the_digest_of_their_counts() -> None:
    by_share = build_study(_VALUES, overrides=[_code("workers = 12, straggler_shares = [0.17, 0.33]")])
    assert by_share.digest == tiny_spec().digest


@pytest.mark.parametrize("workers", [2, 3, 7, 50, 199, 1000])
def test_a_share_is_at_least_one_straggler_and_fewer_than_all(workers: int) -> None:
    counts = [count_of(share, workers) for share in (1e-9, 0.05, 0.3, 0.5, 0.9, 1 - 1e-9)]
    assert counts == sorted(counts)
    assert 1 <= counts[0] <= counts[-1] == workers - 1
    assert abs(count_of(0.3, workers) - 0.3 * workers) <= max(0.5, 1 - 0.3 * workers)


def test_node_sets_with_more_copies_than_there_are_workers_are_left_out_at_that_number() -> None:
    overrides = ["code.workers=[6, 12, 20]", "search.nodes=['uniform', 'copies']", "search.copies=[0, 2, 4]"]
    assert [member.search.copies for member in build_family(_VALUES, overrides=overrides).members] == [
        (0,),
        (0, 2),
        (0, 2, 4),
    ]
    only = build_family(_VALUES, overrides=["code.workers=[6, 12]", "search.nodes=['copies']", "search.copies=[2]"])
    assert [member.search.copies for member in only.members] == [(2,), (2,)]  # the first is refused by `check_designs`


_REFUSED = {
    "an empty list": ("code.workers=[]", r"`code\.workers` must be a whole number, or a list .* but got \[\]"),
    "a number twice": ("code.workers=[12, 12]", r"list of different ones .* but got \[12, 12\]"),
    "no whole number": ("code.workers=[12, 12.5]", r"but got \[12, 12\.5\]"),
    "a truth": ("code.workers=[12, true]", r"but got \[12, True\]"),
    "more than memory holds": ("code.workers=[12, 1000001]", r"from 2 to 1000000, but got"),
    "fewer workers than queries": ("code.workers=[4, 12]", r"`workers >= queries` must hold, .* got 4 workers for 5"),
    "as many stragglers": (_code("workers = [6, 12], stragglers = [7]"), "got 7 stragglers of 6 workers"),
    "both": (
        _code("workers = [6, 12], stragglers = [1], straggler_shares = [0.1]"),
        "only one of `code.stragglers` and",
    ),
    "a share of all": (_code("workers = 12, straggler_shares = [1.0]"), r"between 0 and 1, but got \[1\.0\]"),
    "a share of none": (_code("workers = [12], straggler_shares = [0.0]"), r"between 0 and 1, but got \[0\.0\]"),
    "a share that is none": (_code("workers = 12, straggler_shares = [nan]"), r"between 0 and 1, but got \[nan\]"),
    "no list of shares": (_code("workers = 12, straggler_shares = 0.2"), r"must be a list of numbers .* but got 0\.2"),
    "no shares": (_code("workers = 12, straggler_shares = []"), r"must be a list of numbers .* but got \[\]"),
    "shares of words": (_code("workers = 'x', straggler_shares = [0.2]"), r"`code\.workers` must be .* but got 'x'"),
    "shares of nothing": (_code("straggler_shares = [0.2]"), r"the key `code\.workers` is missing"),
    "a name too long": (f"name={80 * 'a'}", "at most 80 characters"),
    "an unknown key": ("code.wrokers=[12]", "unknown key `code.wrokers`; did you mean `workers`"),
}


@pytest.mark.parametrize("case", _REFUSED)
def test_what_cannot_be_meant_is_one_line(case: str) -> None:
    override, message = _REFUSED[case]
    overrides = [*(["code.workers=[12, 20]"] if case == "a name too long" else []), override]
    with pytest.raises(SpecError, match=message) as refused:
        build_family(_VALUES, overrides=overrides)
    assert "\n" not in str(refused.value)


def test_shares_where_the_number_is_random_are_refused() -> None:
    random = "straggling={ model = 'independent', probability = 0.1 }"
    with pytest.raises(SpecError, match=r"`code\.stragglers` must be left out"):
        build_family(_VALUES, overrides=[random, _code("workers = [12], straggler_shares = [0.2]")])


def test_what_takes_one_study_says_that_a_file_is_a_family(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(TINY.replace("workers = 12", "workers = [12, 20]"), encoding="utf-8")
    assert [member.name for member in load_family(file).members] == ["tiny-N12", "tiny-N20"]
    with pytest.raises(SpecError, match=r"study\.toml is a family, .* such as `tiny-N12`") as refused:
        load_study(file)
    assert "\n" not in str(refused.value)
    assert load_study(file, overrides=["code.workers=12"]) == tiny_spec()


@pytest.mark.parametrize("family", ["tiny", "a-N3", "x.y_z"])
def test_a_name_tells_its_family_and_its_workers(family: str) -> None:
    assert workers_in_name(member_name(family, 75), family) == 75
    for other in (family, f"{family}-N", f"{family}-N075", f"{family}-Nx", f"{family}-N7-fresh", f"other{family}-N75"):
        assert workers_in_name(other, family) is None

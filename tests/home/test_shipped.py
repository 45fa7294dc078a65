from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.errors import SpecError
from nercc_tune.home.shipped import bundled_studies, find_study
from nercc_tune.inference import check_designs
from nercc_tune.spec import load_family


def test_the_default_study_ships() -> None:
    assert "lenet5-digits" in bundled_studies()
    assert find_study("lenet5-digits") == bundled_studies()["lenet5-digits"]


@pytest.mark.parametrize("name", bundled_studies())
def test_every_shipped_study_is_valid_and_named_after_its_file(name: str) -> None:
    assert load_family(bundled_studies()[name]).name == name


def test_the_studies_of_wrong_answers_have_liars_of_every_kind_and_bear_twice_as_many() -> None:
    names = [name for name in bundled_studies() if name.startswith("errors-")]
    assert "errors-lenet5-mnist" in names
    for name in names:
        (study,) = load_family(find_study(name)).members
        assert {kind.name for kind in study.errors.each} >= {"sign-flip", "normal", "stale", "nan"}
        assert study.errors.count is not None
        assert study.distrusts
        (more,) = load_family(find_study(name), overrides=[f"errors.count={2 * study.errors.count}"]).members
        assert more.digest != study.digest


@pytest.mark.parametrize("workload", ["mnist", "cifar10"])
def test_the_studies_of_approxifers_table_take_the_cells_that_they_name(workload: str) -> None:
    path = find_study(f"approxifer-table-{workload}")
    (study,) = load_family(path).members
    assert (study.code.queries, study.code.workers, study.code.stragglers) == (8, 9, (1,))
    assert study.reference.nodes == "approxifer"
    assert not study.errors.are_given
    check_designs(study)
    late = ["code.queries=10", "code.workers=11"]
    lying = ["code.queries=12", "code.workers=25", "code.stragglers=[0]"]
    lying += ["errors.kinds=['sign-flip']", "errors.count=1"]
    for overrides in (late, lying):
        (other,) = load_family(path, overrides=overrides).members
        check_designs(other)
        assert other.digest != study.digest


@pytest.mark.parametrize("workload", ["lenet5-mnist", "repvgg-cifar10", "vit-imagenet"])
def test_the_redundancy_studies_ask_for_the_same_shares_at_five_numbers_of_workers(workload: str) -> None:
    family = load_family(find_study(f"redundancy-{workload}"))
    assert {member.code.workers: member.code.stragglers for member in family.members} == {
        60: (3, 6, 12, 24),
        75: (4, 8, 15, 30),
        100: (5, 10, 20, 40),
        150: (8, 15, 30, 60),
        200: (10, 20, 40, 80),
    }


def test_a_file_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lenet5-digits").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert find_study("lenet5-digits") == Path("lenet5-digits")


def test_a_study_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(SpecError, match=r"there is no study file `absent`; give a path, or one of .*lenet5-digits"):
        find_study("absent")

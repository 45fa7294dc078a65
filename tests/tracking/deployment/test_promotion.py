from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nercc_tune.errors import PromotionError, TableError, TrackingError
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Design, Interval
from nercc_tune.tracking.deployment.promotion import (
    Deployed,
    DeployedCode,
    check_better,
    promote,
    read_deployments,
    registered_name,
    rollback,
)
from nercc_tune.tracking.deployment.registry import Registry
from tests.builders import study_history, tuned_table
from tests.fakes import tiny_home

BETTER = Interval(mean=-0.02, low=-0.03, high=-0.01)
NAME = "nercc-lenet5-mnist-K50-N200"


def judged(minus: Interval | None, table: TunedTable | None = None) -> TunedTable:
    """Return a table whose codes all differ as much from NeRCC at (0, 0)."""
    table = table or tuned_table(stragglers=(20, 40))
    found = {} if minus is None else {"nercc_ag": minus}
    entries = tuple(replace(entry, prob_mse_minus=found) for entry in table.entries)
    return replace(table, entries=entries, policy=replace(table.policy, prob_mse_minus=found))


TABLE = judged(BETTER)
OTHER = replace(TABLE, study="another", study_digest="e" * 64)
ELSEWHERE = replace(TABLE, workload=replace(TABLE.workload, data="cifar10"))


class Home:
    """A store of a test's own."""

    def __init__(self, folder: Path) -> None:
        self.url = tiny_home(folder).tracking_url
        self.artifacts = folder / "mlartifacts"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.mark.parametrize(
    ("model", "data", "name"),
    [
        ("lenet5", "mnist", NAME),
        ("package.module:make", "a b/c", "nercc-package.module-make-a-b-c-K50-N200"),
        ("модель", "dön", "nercc---d-n-K50-N200"),
    ],
)
def test_a_service_has_a_name_that_mlflow_takes(model: str, data: str, name: str) -> None:
    assert registered_name(model=model, data=data, queries=50, workers=200) == name


def test_long_names_are_shortened_and_stay_apart() -> None:
    first, second = (registered_name(model=300 * "m" + end, data="d", queries=5, workers=9) for end in "ab")
    assert first != second
    assert (len(first), first[-6:]) == (200, "-K5-N9")


@pytest.mark.parametrize(
    ("minus", "found"),
    [
        (None, "the table does not compare them"),
        (Interval(mean=-0.02, low=-0.05, high=0.0), r"the difference is -0\.02 \[-0\.05, 0\]"),
        (Interval(mean=0.01, low=-0.01, high=0.02), r"the difference is 0\.01 \[-0\.01, 0\.02\]"),
    ],
)
def test_what_is_not_surely_better_is_refused(minus: Interval | None, found: str) -> None:
    table = judged(minus)
    with pytest.raises(PromotionError, match=rf"^policy of `lenet5-mnist` is not surely better .*{found}; .*`--force`"):
        check_better(DeployedCode.of(table))
    with pytest.raises(PromotionError, match=r"^S=40 of `lenet5-mnist` is not surely better"):
        check_better(DeployedCode.of(table, stragglers=40))


def test_a_difference_that_is_no_number_is_refused() -> None:
    nothing = Interval(mean=math.nan, low=math.nan, high=math.nan)
    with pytest.raises(PromotionError, match=r"the difference is nan \[nan, nan\]"):
        check_better(replace(DeployedCode.of(TABLE), minus_nercc_ag=nothing))


def test_what_is_better_is_not_refused() -> None:
    check_better(DeployedCode.of(TABLE))
    check_better(DeployedCode.of(TABLE, stragglers=20))


def test_an_unfinished_study_has_no_table_to_promote() -> None:
    with pytest.raises(TableError, match="study `lenet5-mnist` is not finished; run `nercc-tune launch` again"):
        TunedTable.from_history(study_history(is_judged=False))


def test_champion_and_previous_through_promotions_and_rollbacks(home: Home) -> None:
    first = promote(TABLE, url=home.url, artifacts=home.artifacts)
    assert (first.outcome, first.before) == ("registered", None)
    assert first.now == read_deployments(home.url, NAME)
    champion = first.now.champion
    assert champion is not None
    assert (champion.version, champion.code) == (1, DeployedCode.of(TABLE))
    assert first.now.uri == f"models:/{NAME}@champion"

    again = promote(TABLE, url=home.url, artifacts=home.artifacts)
    assert (again.outcome, again.now, again.before) == ("unchanged", first.now, champion)

    cell = promote(TABLE, url=home.url, artifacts=home.artifacts, stragglers=40)
    assert (cell.outcome, cell.before, cell.now.previous) == ("registered", champion, champion)
    another = promote(OTHER, url=home.url, artifacts=home.artifacts)
    assert another.now.champion is not None
    assert (another.now.champion.version, another.now.champion.code.study) == (3, "another")
    assert another.now.previous == cell.now.champion

    back = rollback(home.url, NAME)
    assert (back.outcome, back.before) == ("rolled back", another.now.champion)
    assert back.now.champion is not None
    assert (back.now.champion.version, back.now.previous) == (2, another.now.champion)

    reused = promote(TABLE, url=home.url, artifacts=home.artifacts)
    assert reused.outcome == "reused"
    assert reused.now.champion is not None
    assert (reused.now.champion.version, reused.now.previous) == (1, back.now.champion)
    assert len(list(home.artifacts.rglob("MLmodel"))) == 3


def test_what_is_not_better_is_promoted_by_force(home: Home) -> None:
    table = judged(None)
    with pytest.raises(PromotionError, match="is not surely better"):
        promote(table, url=home.url, artifacts=home.artifacts)
    done = promote(table, url=home.url, artifacts=home.artifacts, force=True, name="forced")
    assert done.now.champion is not None
    assert not done.now.champion.code.is_better
    assert read_deployments(home.url, NAME) == Deployed(name=NAME)


def test_another_service_does_not_take_the_name_by_accident(home: Home) -> None:
    promote(TABLE, url=home.url, artifacts=home.artifacts, name="ours")
    message = "`ours` serves lenet5 on mnist with K = 50, N = 200, not lenet5 on cifar10 .*; give another `--name`"
    with pytest.raises(PromotionError, match=message):
        promote(ELSEWHERE, url=home.url, artifacts=home.artifacts, name="ours")
    done = promote(ELSEWHERE, url=home.url, artifacts=home.artifacts, name="ours", force=True)
    assert done.now.champion is not None
    assert done.now.champion.code.data == "cifar10"


def test_champions_that_are_lost_are_registered_anew(home: Home) -> None:
    promote(TABLE, url=home.url, artifacts=home.artifacts)
    shutil.rmtree(home.artifacts)
    done = promote(TABLE, url=home.url, artifacts=home.artifacts)
    assert done.now.champion is not None
    assert (done.outcome, done.now.champion.version) == ("registered", 2)


def test_an_interrupted_promotion_is_completed_by_the_next(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = promote(TABLE, url=home.url, artifacts=home.artifacts).now
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "_point", _stop)
        with pytest.raises(KeyboardInterrupt):
            promote(OTHER, url=home.url, artifacts=home.artifacts)
    assert read_deployments(home.url, NAME) == first
    with pytest.raises(PromotionError, match="has no previous version to return to: version 1 is its only one"):
        rollback(home.url, NAME)
    done = promote(OTHER, url=home.url, artifacts=home.artifacts)
    assert (done.outcome, done.now.previous) == ("reused", first.champion)


def _stop(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_reading_makes_no_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/absent/mlflow.db"
    assert read_deployments(url, NAME) == Deployed(name=NAME)
    with pytest.raises(PromotionError, match=f"`{NAME}` has no previous version to return to: nothing is deployed"):
        rollback(url, NAME)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_fails_is_one_line(tmp_path: Path) -> None:
    url = "http://ann:secret@127.0.0.1:9"
    for call in (lambda: read_deployments(url, NAME), lambda: promote(TABLE, url=url, artifacts=tmp_path)):
        with pytest.raises(
            TrackingError, match=r"^the tracking store `http://ann:\*\*\*@127\.0\.0\.1:9` cannot be reached"
        ):
            call()


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a@b", "it's", "a b", "-a", "ä", 201 * "x"])
def test_a_name_is_letters_that_mlflow_takes(name: str, tmp_path: Path) -> None:
    with pytest.raises(PromotionError, match="`name` must be at most 200 letters"):
        read_deployments(f"sqlite:///{tmp_path}/mlflow.db", name)


def test_what_cannot_be_served_is_not_promoted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mlflow.db"
    with pytest.raises(TableError, match="`stragglers` must be one of the table's counts 20, 40, but got 30"):
        promote(TABLE, url=url, artifacts=tmp_path, stragglers=30)
    unknown = replace(TABLE, policy=replace(TABLE.policy, design=Design(nodes="of-tomorrow")))
    with pytest.raises(TableError, match="needs a design that this version does not have"):
        promote(unknown, url=url, artifacts=tmp_path)
    assert list(tmp_path.iterdir()) == []

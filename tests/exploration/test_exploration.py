from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nercc_tune.coding import Typical
from nercc_tune.errors import WorkloadError
from nercc_tune.exploration import Exploration, codes_to_send
from nercc_tune.home import Home
from nercc_tune.inference import ForwardEngine
from nercc_tune.records import MEASURES, CellHistory, Design, Distrust, StudyHistory
from nercc_tune.serving import ServedTable, load_table
from nercc_tune.tuning import closing_storage, open_existing, read_history
from tests.fakes import finished_home, loader, tiny_model, tiny_workload
from tests.served import nodal


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nercc_tune.launch.preparation.load_workload", loader(tiny_workload()))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return finished_home(tmp_path)


@pytest.fixture
def history(home: Home) -> StudyHistory:
    with closing_storage(open_existing(home.storage_url)) as storage:
        return read_history(storage, "tiny")


@pytest.fixture
def exploration(history: StudyHistory, home: Home) -> Exploration:
    return Exploration.open(history, home)


def _tried(cell: CellHistory) -> list[float]:
    assert cell.entry is not None
    design = cell.entry.design
    return [trial.lambda_enc for trial in cell.trials if trial.encoding == design.encoding(trial.lambda_enc)]


def _without_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every forward pass fail."""

    def run(*_: object) -> torch.Tensor:
        raise AssertionError("the model ran")

    monkeypatch.setattr(ForwardEngine, "run", run)


def test_a_surface_is_what_the_search_recorded_and_runs_no_model(
    exploration: Exploration, history: StudyHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_model(monkeypatch)
    cell = history.cells[1]
    assert cell.entry is not None
    tried = exploration.at_hand(cell.entry.design, _tried(cell))
    assert tried == tuple(sorted(set(_tried(cell))))
    progress: list[tuple[int, int]] = []
    surfaces = exploration.surfaces(
        4, cell.entry.design, tried, progress=lambda done, total: progress.append((done, total))
    )
    assert progress == [(done, len(tried)) for done in range(1, len(tried) + 1)]
    assert set(surfaces) == set(MEASURES)
    surface = surfaces[history.goal.error]
    assert surface.lambda_encs == tried
    assert surface.lambda_decs[0] == 0
    for lambda_enc, row in zip(surface.lambda_encs, surface.values, strict=True):
        recorded = dict(zip(history.decoder_grid, cell.profiles[lambda_enc], strict=True))
        both = [smoothing for smoothing in surface.lambda_decs if smoothing in recorded]
        assert len(both) >= 3
        for smoothing in both:
            measured = row[surface.lambda_decs.index(smoothing)]
            assert measured == pytest.approx(recorded[smoothing], rel=1e-5)  # one of them from an eigendecomposition


def test_every_measure_is_that_of_the_chosen_code(exploration: Exploration, history: StudyHistory) -> None:
    for cell in history.cells:
        entry = cell.entry
        assert entry is not None
        profiles = exploration.profiles(
            cell.cell.stragglers, entry.design, axis="lambda_dec", other=entry.lambda_enc, smoothings=[entry.lambda_dec]
        )
        for measure, profile in profiles.items():
            (point,) = profile.points
            assert point.mean == pytest.approx(getattr(entry.tuning, measure), rel=1e-9)
            assert point.low <= point.mean <= point.high


def test_the_profile_along_one_parameter_crosses_that_along_the_other(
    exploration: Exploration, history: StudyHistory
) -> None:
    entry = history.cells[0].entry
    assert entry is not None
    tried = exploration.at_hand(entry.design, _tried(history.cells[0]))
    along_dec = exploration.profiles(2, entry.design, axis="lambda_dec", other=tried[-1])["mse"]
    smoothing = exploration.smoothings[3]
    along_enc = exploration.profiles(2, entry.design, axis="lambda_enc", other=smoothing, smoothings=tried)["mse"]
    assert along_dec.smoothings == exploration.smoothings
    assert along_enc.points[-1] == along_dec.points[3]


def test_along_the_encoder_the_places_must_be_named(exploration: Exploration, history: StudyHistory) -> None:
    entry = history.cells[0].entry
    assert entry is not None
    with pytest.raises(ValueError, match="`smoothings` must be given along `lambda_enc`"):
        exploration.profiles(2, entry.design, axis="lambda_enc", other=0.0)


def test_outputs_that_were_not_kept_are_not_at_hand(history: StudyHistory, home: Home) -> None:
    for file in home.outputs.rglob("*.outputs"):
        file.unlink()
    exploration = Exploration.open(history, home)
    entry = history.cells[0].entry
    assert entry is not None
    assert exploration.at_hand(entry.design, _tried(history.cells[0])) == ()


def test_other_weights_are_refused(history: StudyHistory, home: Home) -> None:
    other = replace(history, workload=replace(history.workload, fingerprint="another"))
    with pytest.raises(WorkloadError, match="the weights, the data or the features of study `tiny` are not those"):
        Exploration.open(other, home)


def test_a_live_group_is_what_a_serving_system_decodes(
    exploration: Exploration, history: StudyHistory, home: Home
) -> None:
    table = load_table(home.study("tiny") / "table.json")
    model = tiny_model()
    codes = codes_to_send(history, 4)
    assert list(codes) == ["tuned", "policy", "nercc_ag", "bacc"]
    served = {"tuned": nodal(table.code(stragglers=4)), "policy": nodal(table.policy())}
    for name, code in served.items():
        group = exploration.group("heldout", 1, codes[name])
        on_group = code.on(group.queries)
        coded = on_group.encode(group.queries)
        assert torch.allclose(coded, group.coded)
        answers = model(coded).detach()
        if not code.design.is_in_logits:
            answers = answers.softmax(-1)
        for gone in ([], [3], [0, 1, 2, 11]):
            arrived = [worker for worker in range(12) if worker not in gone]
            expected = on_group.decode(answers[arrived], arrived)
            if code.design.decode_space == "logits-softmax":
                expected = expected.softmax(-1)
            decoded = group.decode(arrived)
            assert torch.allclose(decoded.estimates, expected, atol=1e-5)
            assert float(decoded.errors.mean()) == pytest.approx(decoded.score.mse, rel=1e-5)


def test_a_live_group_distrusts_what_the_serving_system_does(
    exploration: Exploration, history: StudyHistory, home: Home
) -> None:
    distrust = Distrust(
        kind="residuals", level=1.0, most=2, scale=1e-12
    )  # so little that two of the answers are always accused
    assert history.policy is not None
    entries = tuple(replace(entry, distrust=distrust) for entry in history.policy.entries)
    policy = replace(history.policy, entries=entries)
    table = load_table(home.study("tiny") / "table.json").table
    served = nodal(ServedTable(replace(table, policy=policy)).policy())
    group = exploration.group("heldout", 1, codes_to_send(replace(history, policy=policy), 4)["policy"])
    arrived = list(range(1, 12))
    on_group = served.on(group.queries)
    expected, suspects = on_group.decode(group.answers[arrived], arrived, return_suspects=True)
    assert len(suspects) == 2
    trusted = on_group.decoder_matrix(arrived).to(group.answers) @ group.answers[arrived]
    assert not torch.allclose(expected, trusted, atol=1e-5)
    assert torch.allclose(group.decode(arrived).estimates, group.truth.estimates(expected), atol=1e-6)
    assert group.decode([1, 4]).estimates.isfinite().all()


def test_a_live_group_is_told_what_is_typical_where_its_code_looks_at_it(
    exploration: Exploration, history: StudyHistory
) -> None:
    typical = Typical(means=torch.zeros(1, 4, dtype=torch.float64), precision=torch.eye(4, dtype=torch.float64))
    asked: list[float] = []

    def typical_of(_design: Design, lambda_enc: float) -> Typical:
        asked.append(lambda_enc)
        return typical

    assert history.policy is not None
    assert {code.typical for code in codes_to_send(history, 4, typical_of=typical_of).values()} == {None}
    assert asked == []
    distrust = Distrust(kind="residuals", level=1e6, most=2, typical=1e-9)
    first, second = history.policy.entries
    policy = replace(history.policy, entries=(first, replace(second, distrust=distrust)))
    codes = codes_to_send(replace(history, policy=policy), 4, typical_of=typical_of)
    assert {name: code.typical for name, code in codes.items() if code.typical} == {"policy": typical}
    assert asked == [policy.lambda_enc]
    group, arrived = exploration.group("heldout", 1, codes["policy"]), list(range(4, 12))
    answers = group.answers[arrived].double()
    kept = answers.square().sum(-1).argsort()[:-2].sort().values.tolist()
    expected = group.code.decoder_matrix([arrived[at] for at in kept]) @ answers[kept]
    assert torch.allclose(group.decode(arrived).estimates.double(), group.truth.estimates(expected), atol=1e-4)
    assert exploration.typical_of(policy.design, 0.0) is None  # of 3 groups, which are too few


def test_the_policy_goes_on_beyond_its_counts(history: StudyHistory) -> None:
    code = codes_to_send(history, 2)["policy"]
    assert history.policy is not None
    by_count = {entry.stragglers: entry.lambda_dec for entry in history.policy.entries}
    assert callable(code.parameter)
    assert code.parameter(12) == by_count[2]
    assert code.parameter(9) == by_count[4]
    assert code.parameter(3) == by_count[4]


def test_before_the_choice_the_best_trial_is_sent(history: StudyHistory) -> None:
    searching = replace(
        history, policy=None, provenance=None, cells=tuple(replace(cell, entry=None) for cell in history.cells)
    )
    codes = codes_to_send(searching, 2)
    best = searching.cells[0].best
    assert best is not None
    assert "policy" not in codes
    assert codes["tuned"].lambda_enc == best.lambda_enc
    assert "best so far" in codes["tuned"].title
    empty = replace(searching, cells=tuple(replace(cell, trials=()) for cell in searching.cells))
    assert list(codes_to_send(empty, 2)) == ["nercc_ag", "bacc"]


def test_a_cell_or_a_group_that_is_not_there_is_refused(exploration: Exploration, history: StudyHistory) -> None:
    with pytest.raises(ValueError, match="`stragglers` must be one of 2, 4, but got 3"):
        codes_to_send(history, 3)
    with pytest.raises(ValueError, match="`index` must be from 0 to 3, but got 4"):
        exploration.group("heldout", 4, codes_to_send(history, 2)["bacc"])


def test_nobody_answers(exploration: Exploration, history: StudyHistory) -> None:
    group = exploration.group("heldout", 0, codes_to_send(history, 2)["bacc"])
    with pytest.raises(ValueError, match="at least one worker"):
        group.decode([])
    assert sorted(group.order) == list(range(5))
    assert math.isclose(float(group.truth.probabilities.sum()), 5.0, rel_tol=1e-5)

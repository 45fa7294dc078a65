from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from nercc_tune.coding import BerrutCode, NerccCode

SCRIPT = Path(__file__).parents[2] / "studies" / "convergence.py"


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    name = "convergence_study"
    spec = importlib.util.spec_from_file_location(name, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


X = np.array([20.0, 40.0, 80.0, 160.0, 320.0])


@pytest.mark.parametrize("exponent", [-3.0, -0.6, 1.6])
def test_the_slope_of_a_power_law_is_its_exponent(study: ModuleType, exponent: float) -> None:
    mse = 3.0 * X**exponent
    slope = study.Curve(x=X, mse=mse, resampled=np.stack([mse, 2 * mse], axis=-1), floor=0.0).slope()
    assert [slope.mean, slope.low, slope.high] == pytest.approx([exponent] * 3)


def test_the_interval_is_of_the_slopes_of_the_resamples(study: ModuleType) -> None:
    resampled = X[:, None] ** np.linspace(-4.0, -2.0, 401)
    slope = study.Curve(x=X, mse=X**-3.0, resampled=resampled, floor=0.0).slope()
    assert (slope.low, slope.high) == pytest.approx((-3.95, -2.05))


def test_points_at_the_floor_are_left_out(study: ModuleType) -> None:
    floor = 1e-6  # reached by the last two
    mse = np.maximum(X**-3.0, floor)
    assert mse.tolist().count(floor) == 2
    curve = study.Curve(x=X, mse=mse, resampled=mse[:, None], floor=floor)
    assert curve.slope().mean == pytest.approx(-3)
    assert curve.slope(since=40) is None


def test_a_point_whose_mean_or_a_resample_is_at_the_floor_is_left_out(study: ModuleType) -> None:
    mse = X**-3.0
    for at_floor, elsewhere in ((mse[-1], 1.0), (1.0, mse[-1])):
        mean, resample = X**-1.0, X**-1.0
        mean[-1], resample[-1] = at_floor, elsewhere
        curve = study.Curve(x=X, mse=mean, resampled=resample[:, None], floor=mse[-1])
        assert curve.slope().mean == pytest.approx(-1)


def test_points_before_the_range_are_left_out(study: ModuleType) -> None:
    mse = X**-2.0
    mse[:2] = 1.0
    assert study.Curve(x=X, mse=mse, resampled=mse[:, None], floor=0.0).slope(since=80).mean == pytest.approx(-2)


@pytest.mark.parametrize("pattern", ["uniform", "burst"])
@pytest.mark.parametrize("stragglers", [1, 4, 10])
def test_masks_lose_exactly_s_workers(study: ModuleType, pattern: str, stragglers: int) -> None:
    cell = study.Cell(workers=40, stragglers=stragglers, pattern=pattern)
    arrived = cell.arrived(5, np.random.default_rng(0))
    assert arrived.shape == (5 if pattern == "uniform" else study.QUERIES + 2, 40 - stragglers)
    assert (arrived.diff(dim=-1) > 0).all()
    if pattern == "burst":
        lost = [sorted({*range(40)} - {*mask}) for mask in arrived.tolist()]
        assert all(numbers[-1] - numbers[0] == stragglers - 1 for numbers in lost)
        assert lost[0][0] == 0
        assert lost[-1][-1] == 39


def test_a_burst_surrounds_each_query(study: ModuleType) -> None:
    cell = study.Cell(workers=100, stragglers=6, pattern="burst")
    for mask, alpha in zip(cell.arrived(0, np.random.default_rng(0))[1:-1], cell.nodes.alpha, strict=True):
        below = int((cell.nodes.beta[mask] < alpha).sum())
        lost = sorted({*range(100)} - {*mask.tolist()})
        assert lost[0] == below
        assert abs(int((cell.nodes.beta[lost] < alpha).sum()) - 3) <= 1


def test_the_exact_mean_over_noise_is_the_mean_over_draws(study: ModuleType) -> None:
    cell = study.Cell(workers=30, stragglers=5, pattern="uniform")
    arrived = cell.arrived(3, np.random.default_rng(0))
    queries = torch.linspace(-1.0, 1.0, study.QUERIES, dtype=torch.float64)[None]
    code = NerccCode(cell.nodes, lambda_enc=0.0, lambda_dec=1e-4)
    noise = study.NOISE * torch.randn(20_000, 25, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sine = study.FUNCTIONS["x sin x"]
    answers = sine(code.encoder_matrix @ queries[0])[arrived[1]] + noise
    drawn = (answers @ code.decoder_matrix(arrived[1]).mT - sine(queries)).square().mean()
    exact = study.risks(code, arrived, queries)[1, 0, 0, 1]
    assert float(exact) == pytest.approx(float(drawn), rel=0.02)  # 20,000 draws of 25


def test_worst_f_bounds_the_error_of_a_function_of_the_class(study: ModuleType) -> None:
    cell = study.Cell(workers=30, stragglers=5, pattern="burst")
    arrived = cell.arrived(0, np.random.default_rng(0))
    code = NerccCode(cell.nodes, lambda_enc=0.0, lambda_dec=0.0)
    decoder = code.decoder_matrix(arrived)
    worst = study.worst_risks(cell.nodes, arrived)[0]
    for centre in (-0.5, 0.0, 0.3):  # f = |t − c|₊² / 2 has f'' = 1 from c to 1
        values = [(nodes - centre).clamp(min=0).square() / 2 for nodes in (cell.nodes.alpha, cell.nodes.beta)]
        mse = ((decoder @ values[1][arrived][..., None])[..., 0] - values[0]).square().mean(-1) / (1 - centre)
        assert (mse <= worst).all()
        assert (mse > 1e-4 * worst).any()


def test_worst_f_is_attained(study: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "QUERIES", 1)
    cell = study.Cell(workers=12, stragglers=3, pattern="burst")
    arrived = cell.arrived(0, np.random.default_rng(0))
    for mask, worst in zip(arrived, study.worst_risks(cell.nodes, arrived)[0], strict=True):
        weights = NerccCode(cell.nodes, lambda_enc=0.0, lambda_dec=0.0).decoder_matrix(mask)[0]
        points = torch.cat([cell.nodes.alpha, cell.nodes.beta[mask]])
        functional = torch.cat([torch.ones(1, dtype=torch.float64), -weights])

        def powers(t: torch.Tensor, power: int, points: torch.Tensor = points) -> torch.Tensor:
            return (t[:, None] - points).abs() ** power

        grid = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
        curvature = 6 * powers(grid, 1) @ functional  # |t|³ has the second derivative 6 |t|
        energy = torch.trapezoid(curvature.square(), grid)
        error = functional @ (powers(points, 3) @ functional)
        assert float(error**2 / energy) == pytest.approx(float(worst), rel=1e-4)  # of the quadrature


def test_worst_f_with_noise_is_least_at_the_variance(study: ModuleType) -> None:
    cell = study.Cell(workers=30, stragglers=5, pattern="uniform")
    arrived = cell.arrived(2, np.random.default_rng(0))
    noiseless, noisy = study.worst_risks(cell.nodes, arrived)
    weights = NerccCode(cell.nodes, lambda_enc=0.0, lambda_dec=0.0).decoder_matrix(arrived)
    assert (noisy < noiseless + study.NOISE**2 * weights.square().sum(-1).mean(-1)).all()
    assert (noisy > noiseless).all()


def test_without_noise_nercc_falls_faster_than_its_bound_and_worst_f_as_fast(
    study: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "SMOOTHINGS", (0.0, 1e-2))
    monkeypatch.setattr(study, "MANY_WORKERS", 60)
    curves = study.sweep("N", study.Draws.of(repetitions=4, seed=0), [80, 160, 320])
    slope = curves["N", "burst", "NeRCC", False, "x sin x"].slope()
    assert -8 < slope.mean < -5  # 6, as the encoder's third derivative jumps at the queries
    assert curves["N", "burst", "NeRCC", False, study.WORST].slope().mean == pytest.approx(-3, abs=0.1)
    assert -2.5 < curves["N", "uniform", "BACC", False, "x sin x"].slope().mean < -1.5
    assert curves["N", "uniform", "BACC", False, study.WORST].slope() is None
    table = study.slope_table(curves | study.sweep("S", study.Draws.of(repetitions=2, seed=0), [1, 2, 4]))
    assert table.count("\n") == 2 + 16


@pytest.mark.parametrize("pattern", ["uniform", "burst"])
def test_codes_are_judged_on_the_same_draws(study: ModuleType, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    monkeypatch.setattr(study, "SMOOTHINGS", (1e-3,))
    cell = study.Cell(workers=20, stragglers=2, pattern=pattern)
    draws = study.Draws.of(repetitions=3, seed=1)
    rng = np.random.default_rng([1, 20, 2])
    judging = [cell.arrived(3, rng) for _ in range(2)][1]
    nercc = NerccCode(cell.nodes, lambda_enc=0.0, lambda_dec=1e-3)
    expected = torch.stack([study.risks(code, judging, draws.queries[1]) for code in (nercc, BerrutCode(cell.nodes))])
    worst = study.worst_risks(cell.nodes, judging)[:, None]
    if pattern == "burst":
        expected, worst = expected.amax(-1, keepdim=True), worst.amax(-1, keepdim=True)
    measured = draws.measure(cell)
    assert torch.equal(measured[:, :, :-1], expected)
    assert torch.equal(measured[0, :, -1], worst.expand_as(measured[0, :, -1]))

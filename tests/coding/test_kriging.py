"""Laws of kriging and calibrated decoders."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nercc_tune.coding import (
    KrigingCode,
    Moments,
    NodeSet,
    Predictor,
    ReplicationCode,
    Sites,
    measure_moments,
    node_set,
)
from nercc_tune.records import SMOOTHNESSES, Kernel
from nercc_tune.splines import smoothing_matrix

K, N = 12, 40
KERNELS = [Kernel(smoothness=nu, range=at, nugget=1e-2) for nu in SMOOTHNESSES for at in (0.0, 0.5, 2.0)]
KINDS = ("chebyshev", "uniform", "systematic", "copies-0", "copies-1", "copies-2", "copies-3")


def _arrived(count: int, *, workers: int = N, seed: int = 0) -> Tensor:
    return torch.randperm(workers, generator=torch.Generator().manual_seed(seed))[:count].sort().values


def _linear(nodes: NodeSet, *, groups: int = 40, lambda_enc: float = 0.0) -> tuple[Moments, Tensor, Tensor]:
    """Return the moments of a linear map of random queries, with its answers and its true outputs."""
    queries = torch.randn(groups, K, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    model = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    answers = smoothing_matrix(nodes.alpha, nodes.beta, lambda_enc) @ queries @ model
    moments = measure_moments(Sites.of(nodes).distinct(answers), queries @ model)
    return moments, answers, queries @ model


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.label)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_sum_to_one_and_order_does_not_matter(kind: str, kernel: Kernel) -> None:
    code = KrigingCode(node_set(kind, queries=K, workers=N), lambda_enc=0.0, kernel=kernel)
    arrived = _arrived(17)
    matrix = code.decoder_matrix(arrived)
    torch.testing.assert_close(matrix.sum(-1), torch.ones(K, dtype=torch.float64), rtol=0, atol=1e-9)
    shuffled = torch.randperm(17, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(code.decoder_matrix(arrived[shuffled]), matrix[:, shuffled], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.label)
@pytest.mark.parametrize("kind", ["systematic", "copies-1", "copies-2", "copies-3"])
def test_an_exact_copy_is_passed_on_exactly(kind: str, kernel: Kernel) -> None:
    nodes = node_set(kind, queries=K, workers=N)
    arrived = _arrived(17)
    at = nodes.beta[arrived]
    exact = KrigingCode(nodes, lambda_enc=0.0, kernel=kernel).decoder_matrix(arrived)
    smoothed = KrigingCode(nodes, lambda_enc=1e-3, kernel=kernel).decoder_matrix(arrived)
    copied = [query for query in range(K) if bool((at == nodes.alpha[query]).any())]
    assert copied
    for query in copied:
        mine = (at == nodes.alpha[query]).double()
        assert torch.equal(exact[query], mine / mine.sum())
        assert not torch.equal(smoothed[query], mine / mine.sum())  # the worker got no plain query


@pytest.mark.parametrize("smoothness", SMOOTHNESSES)
def test_without_range_copies_are_replication(smoothness: float) -> None:
    """And a range that tends to 0 tends to it. All queries have as many copies: then the workers are the same."""
    nodes = node_set("copies-3", queries=K, workers=36)
    numbers = torch.arange(36).reshape(3, K).T.flatten()  # replication's worker at each node
    replication = ReplicationCode(queries=K, workers=36)
    for count in (2, 9, 20, 36):
        arrived = _arrived(count, workers=36, seed=count)
        expected = replication.decoder_matrix(numbers[arrived])
        for at, tolerance in ((0.0, 1e-9), (0.02, 1e-6)):
            code = KrigingCode(nodes, lambda_enc=0.0, kernel=Kernel(smoothness=smoothness, range=at))
            torch.testing.assert_close(code.decoder_matrix(arrived), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("smoothing", [1e-4, 1e-2])
def test_with_a_linear_plus_cubic_kernel_it_tends_to_the_smoothing_spline(smoothing: float) -> None:
    """Wahba's: paths of integrated noise about a straight line whose variance is large, and noise λ on the answers."""
    nodes = node_set("uniform", queries=K, workers=20)

    def kernel(first: Tensor, second: Tensor) -> Tensor:
        a, b = first[:, None] + 1, second[None, :] + 1
        least = torch.minimum(a, b)
        return least.square() * (3 * torch.maximum(a, b) - least) / 6 + 1e5 * (1 + a * b)

    predictor = Predictor(
        moments=Moments(
            answers=kernel(nodes.beta, nodes.beta),
            truths=kernel(nodes.alpha, nodes.beta),
            variances=kernel(nodes.alpha, nodes.alpha).diagonal(),
        ),
        noise=torch.full((20,), smoothing, dtype=torch.float64),
        copy=torch.full((K,), -1),
        temperature=0.0,
    )
    arrived = _arrived(14, workers=20)
    mask = torch.zeros(1, 20, dtype=torch.bool)
    mask[0, arrived] = True
    found = predictor.matrices(mask)[0][:, arrived]
    expected = smoothing_matrix(nodes.beta[arrived], nodes.alpha, smoothing)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_calibrated_with_weight_0_is_kriging(kind: str) -> None:
    nodes = node_set(kind, queries=K, workers=N)
    moments, _, _ = _linear(nodes)
    kernel = Kernel(range=1.0, nugget=1e-2)
    arrived = _arrived(15)
    plain = KrigingCode(nodes, lambda_enc=0.0, kernel=kernel)
    calibrated = KrigingCode(nodes, lambda_enc=0.0, kernel=kernel, measured=moments)
    torch.testing.assert_close(calibrated.decoder_matrix(arrived), plain.decoder_matrix(arrived), rtol=0, atol=1e-9)


@pytest.mark.parametrize("lambda_enc", [0.0, 1e-4])
@pytest.mark.parametrize("kind", KINDS)
def test_calibrated_recovers_a_linear_model(kind: str, lambda_enc: float) -> None:
    """Whenever the queries can be told from what arrived: their own outputs are what is asked for."""
    nodes = node_set(kind, queries=K, workers=N)
    moments, answers, outputs = _linear(nodes, lambda_enc=lambda_enc)
    arrived = _arrived(36)
    encoder = smoothing_matrix(nodes.alpha, nodes.beta, lambda_enc)[arrived]
    assert int(torch.linalg.matrix_rank(encoder)) == K
    code = KrigingCode(nodes, lambda_enc=lambda_enc, kernel=Kernel(range=1.0, weight=1.0), measured=moments)
    found = code.decoder_matrix(arrived) @ answers[:, arrived]
    # The jitter keeps it from the last digits: 1e-6 of a variance, where weights are as large as 10.
    torch.testing.assert_close(found, outputs, rtol=0, atol=2e-2)


def test_calibrated_beats_kriging_where_outputs_are_no_matern_paths() -> None:
    nodes = node_set("uniform", queries=K, workers=N)
    queries = torch.randn(200, K, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    outputs = queries.cumsum(1)  # more and more variance along the nodes
    answers = smoothing_matrix(nodes.alpha, nodes.beta, 0.0) @ outputs
    moments = measure_moments(answers[:100], outputs[:100])
    arrived = _arrived(6)

    def error(code: KrigingCode) -> float:
        estimates = code.decoder_matrix(arrived) @ answers[100:, arrived]
        return float((estimates - outputs[100:]).square().mean())

    plain = min(
        error(KrigingCode(nodes, lambda_enc=0.0, kernel=Kernel(smoothness=nu, range=at)))
        for nu in SMOOTHNESSES
        for at in (0.5, 1.0, 2.0, 4.0)
    )
    calibrated = KrigingCode(nodes, lambda_enc=0.0, kernel=Kernel(range=2.0, weight=1.0), measured=moments)
    assert error(calibrated) < 0.9 * plain


def test_a_temperature_flattens_what_is_uncertain_and_leaves_copies_alone() -> None:
    nodes = node_set("copies-2", queries=K, workers=N)
    arrived = _arrived(10)
    kernel = Kernel(range=1.0, nugget=1e-2)
    plain = KrigingCode(nodes, lambda_enc=0.0, kernel=kernel).decoder_matrix(arrived)
    warm = KrigingCode(nodes, lambda_enc=0.0, kernel=Kernel(range=1.0, nugget=1e-2, temperature=10.0)).decoder_matrix(
        arrived
    )
    shares = warm.sum(-1)
    is_copied = (nodes.beta[arrived] == nodes.alpha[:, None]).any(1)
    assert torch.equal(warm[is_copied], plain[is_copied])
    assert bool((shares[~is_copied] < 0.95).all())
    torch.testing.assert_close(warm, plain * shares[:, None], rtol=0, atol=1e-12)


def test_recent_masks_are_kept() -> None:
    code = KrigingCode(node_set("copies-1", queries=K, workers=N), lambda_enc=0.0, kernel=Kernel(range=1.0))
    first = code.decoder_matrix(_arrived(20))
    assert torch.equal(code.decoder_matrix(_arrived(20)), first)
    for seed in range(70):
        code.decoder_matrix(_arrived(20, seed=seed))
    assert len(code._kept) == 64
    batch = torch.stack([_arrived(20, seed=seed) for seed in (3, 4)])
    for matrix, arrived in zip(code.decoder_matrix(batch), batch, strict=True):
        torch.testing.assert_close(matrix, code.decoder_matrix(arrived), rtol=0, atol=1e-12)


def test_degrees_of_freedom_lie_between_the_mean_and_the_answers() -> None:
    sites = Sites.of(node_set("uniform", queries=K, workers=N))
    mask = sites.arrived(_arrived(15)[None])
    nuggets = (1e-6, 1e-2, 1.0, 100.0)
    found = [
        float(Predictor.of(sites, Kernel(range=1.0, nugget=nugget), measured=None, has_copies=True).df(mask))
        for nugget in nuggets
    ]
    assert 0 < found[3] < found[2] < found[1] < found[0] <= 15


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"range": -1.0}, "`range` must be finite and at least 0, but got -1.0"),
        ({"range": float("nan")}, "`range` must be finite"),
        ({"range": 1.0, "nugget": float("inf")}, "`nugget` must be finite"),
        ({"range": 1.0, "weight": 1.5}, "`weight` must be from 0 to 1, but got 1.5"),
        ({"range": 1.0, "smoothness": 1.0}, r"`smoothness` must be one of \(0.5, 1.5, 2.5\), but got 1.0"),
    ],
)
def test_kernels_that_there_cannot_be_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Kernel(**values)


def test_what_cannot_be_meant_is_refused() -> None:
    nodes = node_set("uniform", queries=K, workers=N)
    with pytest.raises(ValueError, match="`lambda_enc` must be finite and at least 0, but got -1"):
        KrigingCode(nodes, lambda_enc=-1, kernel=Kernel(range=1.0))
    others, _, _ = _linear(node_set("copies-3", queries=K, workers=N))
    with pytest.raises(ValueError, match=r"`measured` must be of \(40, 40\) answers, but got \(12, 12\)"):
        KrigingCode(nodes, lambda_enc=0.0, kernel=Kernel(range=1.0), measured=others)

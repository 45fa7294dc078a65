from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nercc_tune.coding import NODES, BerrutCode, bearable, locate, node_set
from nercc_tune.coding.locators import VOTES, Variant, _least_of_mean_one, _most_voted

VARIANTS: tuple[Variant, ...] = ("polynomial", "rational")
QUERIES = 8


def least(variant: Variant, *, queries: int, errors: int) -> int:
    """Return how many answers so many errors need."""
    return 2 * (queries + errors) - 1 if variant == "polynomial" else queries + 2 * errors + 1


def exact_answers(variant: Variant, *, workers: int, outputs: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return all workers' nodes, and answers that the variant's functions give without error."""
    nodes = node_set("chebyshev", queries=QUERIES, workers=workers)
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(QUERIES, outputs, dtype=torch.float64, generator=generator)
    if variant == "rational":
        return nodes.beta, BerrutCode(nodes).encode(values)
    return nodes.beta, (nodes.beta.acos()[:, None] * torch.arange(QUERIES)).cos() @ values


def spoil(answers: Tensor, errors: int, *, sigma: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return answers of which some are off by N(0, σ²), and which are."""
    generator = torch.Generator().manual_seed(seed)
    is_wrong = torch.zeros(len(answers), dtype=torch.bool)
    is_wrong[torch.randperm(len(answers), generator=generator)[:errors]] = True
    noise = sigma * torch.randn(answers.shape, dtype=torch.float64, generator=generator)
    return answers + noise * is_wrong[:, None], is_wrong


@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("errors", [1, 2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_as_few_answers_as_there_must_be_give_the_wrong_ones_away(variant: Variant, errors: int, sigma: float) -> None:
    workers = least(variant, queries=QUERIES, errors=errors)
    for seed in range(5):
        nodes, right = exact_answers(variant, workers=workers, outputs=5, seed=seed)
        answers, is_wrong = spoil(right, errors, sigma=sigma, seed=seed)
        assert torch.equal(locate(nodes, answers, queries=QUERIES, errors=errors, variant=variant), is_wrong)


@pytest.mark.parametrize("variant", VARIANTS)
def test_flipped_signs_are_found_among_those_who_arrived(variant: Variant) -> None:
    for seed in range(10):
        nodes, right = exact_answers(variant, workers=40, outputs=5, seed=seed)
        arrived = torch.randperm(40, generator=torch.Generator().manual_seed(seed))[:30].sort().values
        _, is_wrong = spoil(right[arrived], 3, sigma=1.0, seed=seed)
        answers = torch.where(is_wrong[:, None], -right[arrived], right[arrived])
        assert torch.equal(locate(nodes[arrived], answers, queries=QUERIES, errors=3, variant=variant), is_wrong)


@pytest.mark.parametrize("workers", [9, 17, 25, 49])
def test_workers_on_the_nodes_of_the_rational_functions_are_no_trouble(workers: int) -> None:
    nodes = node_set("chebyshev", queries=4, workers=workers)
    assert bool((nodes.alpha[:, None] == nodes.beta).any())
    right = BerrutCode(nodes).encode(torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    for wrong in combinations(range(0, workers, 4), 2):
        answers = right.clone()
        answers[list(wrong)] += 1.0
        accused = locate(nodes.beta, answers, queries=4, errors=2, variant="rational")
        assert accused.nonzero()[:, 0].tolist() == list(wrong)


# No values so small that their rounding is not relative any more.
COEFFICIENTS = st.integers(-1_000_000, 1_000_000).map(lambda thousandths: Fraction(thousandths, 1000))


@settings(max_examples=50, deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(NODES)), variant=st.sampled_from(VARIANTS))
def test_nobody_is_accused_where_a_polynomial_explains_all(data: st.DataObject, kind: str, variant: Variant) -> None:
    queries = data.draw(st.integers(1, 6), label="queries")
    errors = data.draw(st.integers(1, 3), label="errors")
    arrived = least(variant, queries=queries, errors=errors) + data.draw(st.integers(0, 2), label="more")
    beta = node_set(kind, queries=queries, workers=arrived + data.draw(st.integers(0, arrived), label="late")).beta
    nodes = beta[data.draw(st.permutations(range(len(beta))), label="order")[:arrived]]
    terms = st.lists(COEFFICIENTS, min_size=queries, max_size=queries)
    polynomials = data.draw(st.lists(terms, min_size=1, max_size=3), label="polynomials")
    # Rounded once: what the answers lack of exactness is their own, and not the way in which they were computed.
    rows = [
        [float(sum(a * Fraction(node) ** power for power, a in enumerate(terms))) for terms in polynomials]
        for node in nodes.tolist()
    ]
    for dtype in (torch.float64, torch.float32):
        accused = locate(nodes, torch.tensor(rows, dtype=dtype), queries=queries, errors=errors, variant=variant)
        assert not bool(accused.any())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("variant", VARIANTS)
def test_nobody_is_accused_where_the_functions_explain_all(variant: Variant, dtype: torch.dtype) -> None:
    for outputs in (1, VOTES, 1000):
        nodes, right = exact_answers(variant, workers=40, outputs=outputs, seed=outputs)
        for kept in (slice(None), slice(0, 25), slice(15, None)):
            assert not bool(
                locate(nodes[kept], right[kept].to(dtype), queries=QUERIES, errors=3, variant=variant).any()
            )


def test_what_the_tolerance_covers_is_no_error() -> None:
    nodes, right = exact_answers("polynomial", workers=30, outputs=4, seed=0)
    answers, is_wrong = spoil(right, 2, sigma=1e-4, seed=0)
    assert torch.equal(locate(nodes, answers, queries=QUERIES, errors=2), is_wrong)
    assert not bool(locate(nodes, answers, queries=QUERIES, errors=2, tolerance=1e-3).any())


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_error_a_thousand_times_above_rounding_is_an_error(variant: Variant) -> None:
    nodes, right = exact_answers(variant, workers=30, outputs=4, seed=0)
    answers, _ = spoil(right, 2, sigma=1e-11, seed=0)
    assert bool(locate(nodes, answers, queries=QUERIES, errors=2, variant=variant).any())


def test_the_polynomial_q_is_the_least_squares_solution_of_mean_one() -> None:
    left = torch.randn(2, 3, 9, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = _least_of_mean_one(left)
    others = torch.linalg.lstsq(left[..., 1:], -left[..., :1]).solution[..., 0]
    torch.testing.assert_close(weights[..., 1:] / weights[..., :1], others, rtol=1e-10, atol=1e-12)


def test_of_equally_good_q_the_least_is_taken() -> None:
    left = torch.randn(1, 2, 3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = _least_of_mean_one(left)
    others = torch.linalg.pinv(left[..., 1:]) @ -left[..., :1]  # of least norm among those that fit exactly
    torch.testing.assert_close(weights[..., 1:] / weights[..., :1], others[..., 0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_order_of_the_workers_is_no_matter(variant: Variant) -> None:
    nodes, right = exact_answers(variant, workers=24, outputs=4, seed=0)
    answers, _ = spoil(right.sin(), 2, sigma=1.0, seed=0)
    accused = locate(nodes, answers, queries=QUERIES, errors=2, variant=variant)
    for seed in range(5):
        order = torch.randperm(24, generator=torch.Generator().manual_seed(seed))
        moved = locate(nodes[order], answers[order], queries=QUERIES, errors=2, variant=variant)
        assert torch.equal(moved, accused[order])


@pytest.mark.parametrize("scale", [-1.0, 1e-300, 1e-9, 1e9, 1e290])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_scale_of_the_answers_is_no_matter(variant: Variant, scale: float) -> None:
    nodes, right = exact_answers(variant, workers=24, outputs=4, seed=1)
    answers, is_wrong = spoil(right, 3, sigma=1.0, seed=1)
    assert torch.equal(locate(nodes, scale * answers, queries=QUERIES, errors=3, variant=variant), is_wrong)


@pytest.mark.parametrize("has_own_nodes", [True, False])
@pytest.mark.parametrize("variant", VARIANTS)
def test_groups_are_located_as_one_by_one(
    variant: Variant, has_own_nodes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    every, right = exact_answers(variant, workers=40, outputs=4, seed=2)
    generator = torch.Generator().manual_seed(2)
    masks = torch.stack([torch.randperm(40, generator=generator)[:26] for _ in range(6)])
    masks = masks if has_own_nodes else masks[:1].expand(6, -1)
    spoilt = [spoil(right[mask].sin(), 3, sigma=1.0, seed=seed)[0] for seed, mask in enumerate(masks)]
    alone = [
        locate(every[mask], answers, queries=QUERIES, errors=3, variant=variant)
        for mask, answers in zip(masks, spoilt, strict=True)
    ]
    nodes = every[masks].reshape(2, 3, 26) if has_own_nodes else every[masks[0]]
    for entries in (2**24, 1, 26 * 11 * 4 * 4):  # all at once, one at a time, and four
        monkeypatch.setattr("nercc_tune.coding.locators._ENTRIES", entries)
        together = locate(nodes, torch.stack(spoilt).reshape(2, 3, 26, 4), queries=QUERIES, errors=3, variant=variant)
        assert torch.equal(together, torch.stack(alone).reshape(2, 3, 26))


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_constant_output_has_no_vote(variant: Variant, constant: float) -> None:
    nodes, right = exact_answers(variant, workers=24, outputs=3, seed=3)
    answers, is_wrong = spoil(right, 3, sigma=1.0, seed=3)
    answers[:, 1] = constant
    assert torch.equal(locate(nodes, answers, queries=QUERIES, errors=3, variant=variant), is_wrong)
    assert not bool(locate(nodes, answers[:, 1:2], queries=QUERIES, errors=3, variant=variant).any())


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_wrong_output_of_a_thousand_is_found(variant: Variant) -> None:
    nodes, right = exact_answers(variant, workers=30, outputs=1000, seed=4)
    answers = right.clone()
    answers[[3, 17], 500] += 1.0
    accused = locate(nodes, answers, queries=QUERIES, errors=2, variant=variant)
    assert accused.nonzero()[:, 0].tolist() == [3, 17]


def test_most_votes_win() -> None:
    nodes, right = exact_answers("polynomial", workers=17, outputs=5, seed=5)
    answers = right.clone()
    answers[4, :3] += 1.0
    answers[9, 3:] += 1.0
    assert locate(nodes, answers, queries=QUERIES, errors=1).nonzero()[:, 0].tolist() == [4]


@pytest.mark.parametrize(
    ("votes", "size", "expected"),
    [
        ([2, 2, 3, 0], [0.5, 0.2, 0.9, 0.0], [1, 2]),  # a tie
        ([2, 3, 3, 0], [0.0, 0.2, 99.0, 0.0], [1, 2]),  # no sum of |Q| outweighs a vote
        ([0, 5, 0, 0], [0.0, 1.0, 0.1, 0.2], [1]),  # nobody else has a vote
        ([0, 0, 0, 0], [0.0, 0.0, 0.0, 0.0], []),
    ],
)
def test_of_equally_many_votes_the_smaller_sum_wins(votes: list[int], size: list[float], expected: list[int]) -> None:
    accused = _most_voted(torch.tensor([votes], dtype=torch.float64), torch.tensor([size], dtype=torch.float64), 2)
    assert accused[0].nonzero()[:, 0].tolist() == expected


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("queries", [1, 8, 50])
def test_the_bound_is_how_many_answers_errors_need(variant: Variant, queries: int) -> None:
    for errors in range(1, 5):
        arrived = least(variant, queries=queries, errors=errors)
        assert bearable(arrived, queries=queries, variant=variant) == errors
        assert bearable(arrived - 1, queries=queries, variant=variant) == errors - 1
    assert bearable(1, queries=queries, variant=variant) == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_too_few_answers_are_refused(variant: Variant) -> None:
    workers = least(variant, queries=QUERIES, errors=2)
    nodes, right = exact_answers(variant, workers=workers, outputs=2, seed=0)
    with pytest.raises(
        ValueError, match=rf"`errors` must be from 0 to 2, all that {workers} answers to 8 queries can bear .* got 3;"
    ):
        locate(nodes, right, queries=QUERIES, errors=3, variant=variant)
    with pytest.raises(ValueError, match=r"`errors` must be from 0 to 2, .* but got -1;"):
        locate(nodes, right, queries=QUERIES, errors=-1, variant=variant)


@pytest.mark.parametrize("shape", [(3, 5), (0, 24, 2), (24, 0)])
def test_where_there_is_nothing_to_find_nobody_is_accused(shape: tuple[int, ...]) -> None:
    nodes = node_set("chebyshev", queries=2, workers=shape[-2]).beta
    errors = 0 if shape == (3, 5) else 1
    accused = locate(nodes, torch.ones(shape, dtype=torch.float64), queries=2, errors=errors)
    assert accused.shape == shape[:-1]
    assert not bool(accused.any())


def test_wrong_arguments_are_refused() -> None:
    nodes, right = exact_answers("polynomial", workers=24, outputs=2, seed=0)
    with pytest.raises(ValueError, match=r"`nodes` must hold one node .* got shapes \(23,\) and \(24, 2\)"):
        locate(nodes[:23], right, queries=QUERIES, errors=1)
    with pytest.raises(ValueError, match="`nodes` must hold one node for each answer"):
        locate(nodes, right[:, 0], queries=QUERIES, errors=1)
    with pytest.raises(ValueError, match="`nodes` must differ, but some coincide"):
        locate(nodes.abs(), right, queries=QUERIES, errors=1)
    with pytest.raises(ValueError, match=r"`nodes` must lie within \[-1, 1\]"):
        locate(2 * nodes, right, queries=QUERIES, errors=1)
    with pytest.raises(ValueError, match="`answers` must be finite"):
        locate(nodes, right / 0, queries=QUERIES, errors=1)
    with pytest.raises(ValueError, match="`queries` must be at least 1, but got 0"):
        locate(nodes, right, queries=0, errors=1)
    with pytest.raises(ValueError, match="`variant` must be polynomial or rational, but got 'spline'"):
        locate(nodes, right, queries=QUERIES, errors=1, variant="spline")  # type: ignore[arg-type]  # what is tested

"""Which of the answers that arrived are wrong: ApproxIFER's error locator, in a polynomial and a rational basis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nercc_tune.coding.nodes import DOMAIN

__all__ = ["VOTES", "Variant", "bearable", "locate"]

Variant = Literal["polynomial", "rational"]

VOTES = 32
"""How many votes there are at most; where there are more outputs, so many mixtures of all of them vote."""

_EPS = torch.finfo(torch.float64).eps

# Groups are searched some at a time, so that what is held of them stays near 128 MiB.
_ENTRIES = 2**24


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """The least squares fit of some functions at the nodes.

    Attributes:
        functions: [g, F, m] their values.
        image: [g, F, m] an orthonormal basis of them, the first function's direction first.
        complement: [g, F, F − m] an orthonormal basis of what they cannot fit.
        triangle: [g, m, m] of the functions in that basis.
    """

    functions: Tensor
    image: Tensor
    complement: Tensor
    triangle: Tensor

    @classmethod
    def of(cls, functions: Tensor) -> _Fit:
        count = functions.shape[-1]
        whole, triangle = torch.linalg.qr(functions, mode="complete")
        return cls(
            functions=functions,
            image=whole[..., :count],
            complement=whole[..., count:],
            triangle=triangle[..., :count, :],
        )

    def explains(self, answers: Tensor, tolerance: float) -> Tensor:
        """Return which outputs [G, c] of answers [G, F, c] it leaves a residual of that rounding explains.

        A sum `Σ a_k φ_k` is rounded in shares of `Σ |a_k| |φ_k|`, which may be far larger than itself.
        """
        weights = torch.linalg.solve_triangular(self.triangle, self.image.mT @ answers, upper=True)
        size: Tensor = torch.linalg.vector_norm(self.functions.abs() @ weights.abs(), dim=-2)
        residual: Tensor = torch.linalg.vector_norm(self.complement.mT @ answers, dim=-2)
        return residual <= tolerance * size


def bearable(arrived: int, *, queries: int, variant: Variant = "polynomial") -> int:
    """Return how many wrong ones so many answers can bear for a locator to find them.

    `F ≥ 2 (K + e) − 1` for the polynomial one, and `F ≥ K + 2 e + 1` for the rational one.

    Args:
        arrived: F.
        queries: K.
        variant: See `locate`.

    Raises:
        ValueError: If there is no such variant.
    """
    if variant not in ("polynomial", "rational"):
        raise ValueError(f"`variant` must be polynomial or rational, but got {variant!r}.")
    most = (arrived + 1) // 2 - queries if variant == "polynomial" else (arrived - queries - 1) // 2
    return max(most, 0)


def locate(
    nodes: Tensor,
    answers: Tensor,
    *,
    queries: int,
    errors: int,
    variant: Variant = "polynomial",
    tolerance: float | None = None,
) -> Tensor:
    """Accuse the answers that fit worst to those of some function of the nodes.

    For every output, functions P and Q are found by least squares with `P(z_i) = y_i Q(z_i)`: where y_i is wrong, Q
    must vanish. The e nodes of least |Q| are that output's suspects, and the e that most outputs suspect are accused;
    of equally many votes, those with the smaller sum of |Q|. An output that P alone explains has no vote.

    - `polynomial`: P and Q are of degree K + e − 1. It is exact where the right answers are a polynomial of degree
      less than K. The mean of Q over the nodes is 1, which no change of basis moves, where the published constant
      coefficient of 1 is one of monomials; of equally good Q, the least one is taken. Fixing the norm of Q found
      about as many in every setting that was measured, and needs singular vectors, which take several times as long.
    - `rational`: Q is a combination of Berrut's functions on e + 1 nodes, P one of their products with Berrut's
      functions on K nodes, both sets Chebyshev points of the first kind. It is exact where the right answers are
      Berrut's interpolant of K values at the query nodes of kind `chebyshev`. The norm of Q over the nodes is 1,
      since a fixed mean finds fewer here.

    Where many wrong answers lie side by side, Q is small at the right ones between them too, in the end by rounding.
    Where something is wrong but fewer than e answers are, some of the accused are right. Of more outputs than `VOTES`,
    so many fixed mixtures vote, whose weights are normal after the largest answer of each output is brought to 1: what
    is wrong with one output of a thousand shows in all of them, and a choice of outputs would miss it.

    Args:
        nodes: [F] or [..., F] where the workers sit that arrived, in [−1, 1], in any order, no two at one place.
        answers: [..., F, c] what they answered, finite.
        queries: K.
        errors: e, how many answers may be wrong.
        variant: Of the locator.
        tolerance: The residual up to which P alone explains an output, in shares of what its terms add up to. None is
            what rounding leaves: `√F` units of the answers' own dtype, as sums of F terms are rounded in all
            likelihood (Higham and Mary 2019), and F units of float64, in which all is computed here.

    Returns:
        [..., F] whether each answer is thought wrong: at most `errors`, none where nothing is wrong.

    Raises:
        ValueError: If so many answers cannot bear so many errors, nodes coincide or lie outside, shapes do not suit
            each other, or an answer is not finite.

    Reference:
        Soleymani, Ali, Mahdavifar and Avestimehr, ApproxIFER, AAAI 2022, arXiv 2109.09868, section 3.

    Example:
        >>> import torch
        >>> nodes = torch.linspace(-1, 1, 7, dtype=torch.float64)
        >>> answers = torch.stack([nodes**2, 1 - nodes], dim=-1)
        >>> answers[4] = 9.0
        >>> locate(nodes, answers, queries=3, errors=1).nonzero().tolist()
        [[4]]
    """
    _check(nodes, answers, queries=queries, errors=errors, variant=variant)
    batch, arrived = answers.shape[:-2], answers.shape[-2]
    if errors == 0 or not answers.numel():
        return torch.zeros(*batch, arrived, dtype=torch.bool, device=answers.device)
    if tolerance is None:
        tolerance = math.sqrt(arrived) * torch.finfo(answers.dtype).eps + arrived * _EPS
    places, order = nodes.to(answers.device, torch.float64).reshape(-1, arrived).sort(dim=-1)
    groups = answers.reshape(-1, arrived, answers.shape[-1])
    back = order.argsort(-1)
    each = max(_ENTRIES // (arrived * (queries + errors) * min(groups.shape[-1], VOTES)), 1)
    found = []
    for start in range(0, len(groups), each):
        own = slice(start, start + each) if len(places) > 1 else slice(None)
        part = _voters(groups[start : start + each].to(torch.float64).take_along_dim(order[own][..., None], dim=-2))
        votes, size = _poll(places[own], part, queries, errors, variant, tolerance)
        accused = _most_voted(votes, size, errors)
        found.append(accused.take_along_dim(back[own], dim=-1))
    return torch.cat(found).reshape(*batch, arrived)


def _check(nodes: Tensor, answers: Tensor, *, queries: int, errors: int, variant: Variant) -> None:
    if answers.ndim < 2 or nodes.shape not in (answers.shape[-2:-1], answers.shape[:-1]):
        raise ValueError(
            "`nodes` must hold one node for each answer of `answers` [..., F, c], "
            f"but got shapes {tuple(nodes.shape)} and {tuple(answers.shape)}."
        )
    if not queries >= 1:
        raise ValueError(f"`queries` must be at least 1, but got {queries}.")
    arrived = answers.shape[-2]
    most = bearable(arrived, queries=queries, variant=variant)
    if not 0 <= errors <= most:
        need = "2 (K + e) − 1" if variant == "polynomial" else "K + 2 e + 1"
        raise ValueError(
            f"`errors` must be from 0 to {most}, all that {arrived} answers to {queries} queries can bear "
            f"(e of them need F ≥ {need}), but got {errors}; wait for more answers."
        )
    if not bool(answers.isfinite().all()):
        raise ValueError("`answers` must be finite, but got a NaN or an infinity; leave such answers out.")
    if not bool((nodes >= DOMAIN[0]).all() and (nodes <= DOMAIN[1]).all()):
        raise ValueError(f"`nodes` must lie within [-1, 1], but got {nodes.tolist()}.")
    if not bool((nodes.sort(-1).values.diff(dim=-1) > 0).all()):
        raise ValueError("`nodes` must differ, but some coincide: of two answers at one place none can be told wrong.")


def _voters(answers: Tensor) -> Tensor:
    """Return what votes of answers [G, F, c], the largest of each output brought to 1."""
    largest = answers.abs().amax(-2, keepdim=True)
    level = answers / torch.where(largest > 0, largest, 1.0)
    outputs = answers.shape[-1]
    if outputs <= VOTES:
        return level
    mix = torch.randn(outputs, VOTES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return level @ mix.to(answers.device)


def _poll(
    places: Tensor, answers: Tensor, queries: int, errors: int, variant: Variant, tolerance: float
) -> tuple[Tensor, Tensor]:
    """Return each answer's votes [G, F], and its share of Q summed over the outputs that vote."""
    numerator, denominator = _bases(places, queries, errors, variant)
    fit = _Fit.of(numerator)
    is_explained = fit.explains(answers, tolerance)
    if variant == "rational":
        is_explained |= _Fit.of(_chebyshev(places, queries)).explains(answers, tolerance)
    space = fit.image if variant == "polynomial" else torch.linalg.qr(denominator).Q
    # What P cannot fit of y Q: P is the same for all outputs, and is projected out once.
    left = fit.complement.mT[:, None] @ (answers.mT[..., None] * space[:, None])
    weights = _least_of_mean_one(left) if variant == "polynomial" else _least_of_norm_one(left)
    share = (space @ weights.mT).abs()
    share = share / torch.linalg.vector_norm(share, dim=-2, keepdim=True)
    suspects = share.topk(errors, dim=-2, largest=False).indices
    votes = torch.zeros_like(share).scatter(-2, suspects, 1.0)
    silent = is_explained[:, None, :]
    return votes.masked_fill(silent, 0.0).sum(-1), share.masked_fill(silent, 0.0).sum(-1)


def _least_of_mean_one(left: Tensor) -> Tensor:
    """Return weights [G, c, m], up to a factor, of least `|left weights|` for a given first one."""
    norm = torch.linalg.matrix_norm(left)[..., None, None]
    norm = torch.where(norm > 0, norm, 1.0)
    count = left.shape[-1]
    # What rounding leaves of zero singular values would choose among Q that are equally good.
    ridge = count * _EPS * norm * torch.eye(count).to(left)
    triangle = torch.linalg.qr(torch.cat([left, ridge], dim=-2), mode="r").R
    first = norm * torch.eye(count, 1).to(left)
    half = torch.linalg.solve_triangular(triangle.mT, first, upper=False)
    half = half / torch.linalg.vector_norm(half, dim=-2, keepdim=True)
    weights: Tensor = torch.linalg.solve_triangular(triangle, half, upper=True)[..., 0]
    return weights


def _least_of_norm_one(left: Tensor) -> Tensor:
    """Return weights [G, c, m] of norm 1 and least `|left weights|`."""
    weights: Tensor = torch.linalg.svd(torch.linalg.qr(left, mode="r").R).Vh[..., -1, :]
    return weights


def _most_voted(votes: Tensor, size: Tensor, errors: int) -> Tensor:
    """Return the most voted [G, F], at most `errors`; of equally many votes, those of the smaller size."""
    rank = votes - size / (1 + size.amax(-1, keepdim=True))
    first = rank.topk(errors, dim=-1).indices
    return torch.zeros_like(votes, dtype=torch.bool).scatter(-1, first, value=True) & (votes > 0)


def _bases(places: Tensor, queries: int, errors: int, variant: Variant) -> tuple[Tensor, Tensor]:
    """Return the functions of P [g, F, K + e] and of Q at the nodes.

    A combination of Berrut's functions on K nodes is a polynomial of degree K − 1 over `d_K(z)`, which has no zeros:
    products of them with e + 1 others span the polynomials of degree K + e − 1 over `d_K d_(e + 1)`.
    """
    numerator = _chebyshev(places, queries + errors)
    if variant == "polynomial":
        return numerator, numerator
    inner = _berrut_denominator(places, errors + 1)[..., None]
    outer = _berrut_denominator(places, queries)[..., None]
    return numerator / (inner * outer), numerator[..., : errors + 1] / inner


def _chebyshev(places: Tensor, count: int) -> Tensor:
    """Return the first Chebyshev polynomials [g, F, count] of the interval from the first place to the last."""
    first, last = places[..., :1], places[..., -1:]
    unit = ((2 * places - first - last) / (last - first)).clamp(-1, 1)
    return torch.cos(unit.acos()[..., None] * torch.arange(count, dtype=places.dtype, device=places.device))


def _berrut_denominator(places: Tensor, count: int) -> Tensor:
    """Return `Σ_j (−1)^j Π_(i ≠ j) 2 (z − t_i)` without its sign, which is one for all z, at the places [g, F].

    The nearest node's distance is taken out of the sum, so that a place on a node is no division by zero.
    """
    steps = torch.arange(1 - count, count, 2, dtype=places.dtype, device=places.device)
    distance = places[..., None] - torch.sin(torch.pi / 2 * steps / count)
    near = distance.abs().argmin(-1, keepdim=True)
    is_near = torch.zeros_like(distance, dtype=torch.bool).scatter(-1, near, value=True)
    signs = 1.0 - 2.0 * (torch.arange(count, device=places.device) % 2)
    others = distance.masked_fill(is_near, 1.0)
    ratios = torch.where(is_near, 1.0, distance.gather(-1, near) / others)
    product = (2 * others).masked_fill(is_near, 1.0).prod(-1)
    return (product * (signs * ratios).sum(-1)).abs()

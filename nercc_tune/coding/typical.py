"""What right answers look like one by one, whatever the others are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.coding.kept_values import as_kept, digest_of

__all__ = ["Typical", "measure_typical"]

MOST_OUTPUTS = 100
"""More outputs have more covariances than tuning groups have answers."""

_LEAST_OF_CLASS = 5  # answers, of which a mean is taken
_LEAST_ANSWERS = 20  # for each output
_RIDGE = 1e-3  # of the mean variance of an output


@dataclass(frozen=True, kw_only=True, eq=False)
class Typical:
    """Answers as classes see them: a normal distribution for each, with one covariance for all. Float64.

    What is sent as −y, as noise or as a constant is far from all of them, though no other worker tells; what another
    query would have got is not.

    Attributes:
        means: [k, c] of the classes that occurred.
        precision: [c, c] the inverse of the covariance about them.

    Reference:
        Lee et al., A simple unified framework for detecting out-of-distribution samples, NeurIPS 2018, equation 2.
    """

    means: Tensor
    precision: Tensor

    def deviations(self, answers: Tensor) -> Tensor:
        """Return the squared Mahalanobis distance of answers [..., c] from the nearest class, [...] float64."""
        given = answers.to(torch.float64)
        means, precision = self.means.to(given.device), self.precision.to(given.device)
        weighed = given @ precision
        size = (weighed * given).sum(-1, keepdim=True)
        centres = means @ precision
        squares = size - 2 * given @ centres.mT + (centres * means).sum(-1)
        return squares.amin(-1).clamp(min=0)

    @property
    def digest(self) -> str:
        """SHA-256 over the values as float32 keeps them."""
        return digest_of(vars(self))

    def rounded(self) -> Typical:
        """Return the values on the CPU as float32 keeps them, as they are served: what is judged is what is served."""
        return Typical(**as_kept(vars(self)))


def measure_typical(answers: Tensor) -> Typical | None:
    """Measure what answers look like.

    Args:
        answers: [..., c] right ones, in the decode space; their class is their largest output.

    Returns:
        None where there are too few for so many outputs, more outputs than `MOST_OUTPUTS`, or all of a class are so
        much alike that float32 does not hold the precision.
    """
    given = answers.to("cpu", torch.float64).flatten(0, -2)
    count, outputs = given.shape
    if outputs > MOST_OUTPUTS or count < _LEAST_ANSWERS * outputs:
        return None
    classes = given.argmax(-1)
    occurring, sizes = classes.unique(return_counts=True)
    occurring = occurring[sizes >= _LEAST_OF_CLASS]
    means = torch.stack([given[classes == each].mean(0) for each in occurring])
    known = torch.isin(classes, occurring)
    apart = given[known] - means[torch.searchsorted(occurring, classes[known])]
    covariance = apart.mT @ apart / len(apart)
    ridge = _RIDGE * covariance.diagonal().mean()
    if not ridge > torch.finfo(torch.float32).tiny:
        return None
    return Typical(
        means=means, precision=torch.linalg.inv(covariance + ridge * torch.eye(outputs, dtype=torch.float64))
    )

"""Codes that mix queries by a spline, and whose decoders are those that a design may name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nercc_tune.coding.kriging import KrigingCode
from nercc_tune.coding.moments import Moments
from nercc_tune.coding.nercc import NerccCode
from nercc_tune.coding.nodes import NodeSet
from nercc_tune.coding.rational import RationalCode
from nercc_tune.records import DEGREES, DecoderKind, Trusting, kernel_of, smoothing_of

__all__ = ["NodalCode", "nodal_code"]

NodalCode = NerccCode | KrigingCode | RationalCode

_Read = TypeVar("_Read")


def nodal_code(
    decoder: DecoderKind,
    nodes: NodeSet,
    *,
    lambda_enc: float,
    trusting: Trusting | Callable[[int], Trusting],
    measured: Moments | None = None,
) -> NodalCode:
    """Return the code that a decoder's kind means.

    Args:
        decoder: The kind.
        nodes: α and β.
        lambda_enc: λ_enc.
        trusting: What the decoder is set to, or a function of the number F of answers; no matter of rational ones.
        measured: What a calibrated decoder was calibrated to.

    Raises:
        ValueError: As of the code.
        TypeError: If the setting is one of another decoder.
    """
    if decoder in DEGREES:
        return RationalCode(nodes, lambda_enc=lambda_enc, degree=DEGREES[decoder])
    if decoder == "spline":
        return NerccCode(nodes, lambda_enc=lambda_enc, lambda_dec=_each(trusting, smoothing_of))
    return KrigingCode(nodes, lambda_enc=lambda_enc, kernel=_each(trusting, kernel_of), measured=measured)


def _each(
    trusting: Trusting | Callable[[int], Trusting], read: Callable[[Trusting], _Read]
) -> _Read | Callable[[int], _Read]:
    if not callable(trusting):
        return read(trusting)
    return lambda arrived: read(trusting(arrived))

"""What is chosen beside λ."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field

from nercc_tune.records.strict_json import Strict
from nercc_tune.records.trainings import Training
from nercc_tune.records.wrong_answers import Distrust

__all__ = [
    "DECODERS",
    "DECODE_SPACES",
    "DEGREES",
    "NODE_DECODERS",
    "SMOOTHNESSES",
    "DecodeSpace",
    "Decoded",
    "DecoderKind",
    "Design",
    "Distrusting",
    "Encoding",
    "Kernel",
    "NodeDecoderKind",
    "OutputKind",
    "Parameter",
    "Reading",
    "Trusting",
    "decoded_fields",
    "is_screening",
    "kernel_of",
    "said",
    "smoothing_of",
    "trusting_of",
]

DecodeSpace = Literal["probabilities", "logits", "logits-softmax"]
DECODE_SPACES: tuple[DecodeSpace, ...] = ("probabilities", "logits", "logits-softmax")
"""Where the decoder works: on probabilities; on logits, with the MSE in logits; on logits with a softmax after it."""

OutputKind = Literal["logits", "probabilities"]
"""What a model's outputs are; log-probabilities are logits."""

NodeDecoderKind = Literal["spline", "kriging", "calibrated", "berrut-0", "berrut-1", "berrut-2", "berrut-3"]
NODE_DECODERS: tuple[NodeDecoderKind, ...] = (
    "spline",
    "kriging",
    "calibrated",
    "berrut-0",
    "berrut-1",
    "berrut-2",
    "berrut-3",
)
"""A smoothing spline; kriging with a kernel of the nodes, or with second moments that were measured; rational ones."""

DecoderKind = Literal[NodeDecoderKind, "subtraction", "network"]
DECODERS: tuple[DecoderKind, ...] = (*NODE_DECODERS, "subtraction", "network")
"""Those that look at nodes; what is known taken off the answers of parity models; a network that was trained for it."""

DEGREES: dict[DecoderKind, int] = {"berrut-0": 0, "berrut-1": 1, "berrut-2": 2, "berrut-3": 3}
"""The degree d of rational decoders; 0 is Berrut's."""

Reading = tuple[str, DecodeSpace, DecoderKind]
"""An assignment, a decode space and a decoder: what may be chosen once the answers are there."""

SMOOTHNESSES = (0.5, 1.5, 2.5)
"""ν of the Matérn kernels: paths that are continuous, once and twice differentiable."""


def said(*unsaid: object) -> Any:
    """Return what pydantic leaves out of the JSON of a field: values that older versions, which lack it, stand for."""
    return Field(exclude_if=lambda value: value in unsaid)


@dataclass(frozen=True, kw_only=True)
class Kernel(Strict):
    """The parameters of a kriging or a calibrated decoder; what they do is said in `nercc_tune.coding.kriging`.

    Attributes:
        smoothness: ν of the Matérn kernel.
        range: ℓ of the kernel, in gaps between queries; 0 for outputs that know nothing of each other.
        nugget: Variance of an answer about the kernel's function, in shares of the function's own; exact copies have
            none.
        temperature: κ: logits of prediction variance v are divided by `√(1 + κ v)` before the softmax.
        weight: w of the measured moments, 0 … 1; the rest is the kernel's.
        ridge: ρ, added to the variance of all answers but exact copies, in shares of the mean one.

    Raises:
        ValueError: If a value is out of its range.
    """

    smoothness: float = 1.5
    range: float
    nugget: float = 0.0
    temperature: float = 0.0
    weight: float = 0.0
    ridge: float = 0.0

    def __post_init__(self) -> None:
        for name in ("range", "nugget", "temperature", "ridge"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"`{name}` must be finite and at least 0, but got {value}.")
        if not 0 <= self.weight <= 1:
            raise ValueError(f"`weight` must be from 0 to 1, but got {self.weight}.")
        if self.smoothness not in SMOOTHNESSES:
            raise ValueError(f"`smoothness` must be one of {SMOOTHNESSES}, but got {self.smoothness}.")

    @property
    def label(self) -> str:
        """The parameters in symbols, without those that are 0: `ν 1.5, ℓ 0.5, nugget 0.001, κ 3, w 0.8, ρ 0.01`."""
        symbols = {"nugget": "nugget", "temperature": "κ", "weight": "w", "ridge": "ρ"}
        values = {symbol: getattr(self, name) for name, symbol in symbols.items()}
        said = [f"{symbol} {value:.3g}" for symbol, value in values.items() if value]
        smoothness = [f"ν {self.smoothness:g}"] if self.range else []
        return ", ".join([*smoothness, f"ℓ {self.range:.3g}", *said])


Trusting = float | Kernel
"""What a decoder is set to that takes every answer for what it is: λ_dec of a spline, or a kernel."""


@dataclass(frozen=True, kw_only=True)
class Distrusting:
    """What a decoder is set to that distrusts some answers.

    Attributes:
        trusting: What it is set to besides.
        distrust: How it finds out which answers to distrust.
    """

    trusting: Trusting
    distrust: Distrust


Parameter = Trusting | Distrusting
"""What a decoder is set to: λ_dec of a spline, or a kernel; with how it distrusts, where it does."""


class Decoded(Strict):
    """A record of what a decoder is set to: λ_dec of a spline, or a kernel, beside which λ_dec is 0."""

    lambda_dec: float
    kernel: Kernel | None
    distrust: Distrust | None

    @property
    def parameter(self) -> Parameter:
        """What the decoder is set to."""
        trusting = self.lambda_dec if self.kernel is None else self.kernel
        return trusting if self.distrust is None else Distrusting(trusting=trusting, distrust=self.distrust)


class DecodedFields(TypedDict):
    """The fields of a `Decoded` record."""

    lambda_dec: float
    kernel: Kernel | None
    distrust: Distrust | None


def decoded_fields(parameter: Parameter) -> DecodedFields:
    """Return the fields in which a `Decoded` record keeps what a decoder is set to."""
    trusting = trusting_of(parameter)
    distrust = parameter.distrust if isinstance(parameter, Distrusting) else None
    if isinstance(trusting, Kernel):
        return {"lambda_dec": 0.0, "kernel": trusting, "distrust": distrust}
    return {"lambda_dec": trusting, "kernel": None, "distrust": distrust}


def trusting_of(parameter: Parameter) -> Trusting:
    """Return what a decoder is set to besides its distrust."""
    return parameter.trusting if isinstance(parameter, Distrusting) else parameter


def is_screening(parameter: Parameter) -> bool:
    """Return whether a decoder looks at what right answers look like."""
    return isinstance(parameter, Distrusting) and parameter.distrust.typical is not None


def smoothing_of(parameter: Parameter) -> float:
    """Return λ_dec.

    Raises:
        TypeError: If the parameter is of another decoder.
    """
    if isinstance(parameter, Kernel | Distrusting):
        raise TypeError(f"a spline must be set to a λ_dec, but got {parameter}.")
    return parameter


def kernel_of(parameter: Parameter) -> Kernel:
    """Return the kernel.

    Raises:
        TypeError: If the parameter is of another decoder.
    """
    if not isinstance(parameter, Kernel):
        raise TypeError(f"kriging must be set to a kernel, but got {parameter}.")
    return parameter


@dataclass(frozen=True, kw_only=True)
class Encoding(Strict):
    """What decides the workers' outputs; everything else is decided after they are there.

    Attributes:
        training: How the networks of a trained code are trained, which sends plain queries first; None for any other.
    """

    ordering: str = "arrival"
    nodes: str = "chebyshev"
    lambda_enc: float = 0.0
    training: Annotated[Training | None, said(None)] = None


@dataclass(frozen=True, kw_only=True)
class Design(Strict):
    """All of a code but its smoothing, or its kernel.

    Attributes:
        ordering: Which query of a group goes to which α, a name of `nercc_tune.coding.ORDERINGS`.
        nodes: Where α and β lie, a name of `nercc_tune.coding.node_kinds`.
        chord_power: Power of the distance between consecutive queries by which `chord-length` spaces α.
        assignment: Which worker computes at which β, a name of `nercc_tune.coding.ASSIGNMENTS`.
        rack: Workers a rack, consecutive in number; for `interleaved`.
        decode_space: Where the decoder works.
        decoder: How the estimates are read off the answers.
        training: As of an `Encoding`.
    """

    ordering: str = "arrival"
    nodes: str = "chebyshev"
    chord_power: float = 0.5
    assignment: str = "identity"
    rack: int | None = None
    decode_space: DecodeSpace = "probabilities"
    decoder: Annotated[DecoderKind, said("spline")] = "spline"
    training: Annotated[Training | None, said(None)] = None

    def encoding(self, lambda_enc: float) -> Encoding:
        """Return what decides the workers' outputs at a λ_enc."""
        return Encoding(ordering=self.ordering, nodes=self.nodes, lambda_enc=lambda_enc, training=self.training)

    def with_encoding(self, encoding: Encoding) -> Design:
        """Return the design with another ordering, other nodes, or networks that are trained."""
        return replace(self, ordering=encoding.ordering, nodes=encoding.nodes, training=encoding.training)

    def with_reading(self, reading: Reading) -> Design:
        """Return the design with another assignment, decode space and decoder."""
        assignment, decode_space, decoder = reading
        return replace(self, assignment=assignment, decode_space=decode_space, decoder=decoder)

    @property
    def reading(self) -> Reading:
        """What is chosen once the answers are there."""
        return self.assignment, self.decode_space, self.decoder

    @property
    def is_in_logits(self) -> bool:
        """Whether the decoder reads logits."""
        return self.decode_space != "probabilities"

    @property
    def label(self) -> str:
        """The design in words: what differs from the paper's, or its nodes alone; or what is trained."""
        if self.training is not None:
            return f"{self.training.label}, {self.decoder}"
        parts = [self.nodes]
        parts += [self.ordering] if self.ordering != "arrival" else []
        parts += [self.assignment] if self.assignment != "identity" else []
        parts += [self.decoder] if self.decoder != "spline" else []
        return ", ".join([*parts, self.decode_space])

"""Decoders of fixed masks, each ready for every value of its parameter, and the search for the best value."""

from nercc_tune.inference.decoders.best import best_parameter, profile_of
from nercc_tune.inference.decoders.decoder import Decoder, Decoding
from nercc_tune.inference.decoders.distrust_search import best_distrust
from nercc_tune.inference.decoders.distrusting import DistrustingDecoding, EitherDecoding
from nercc_tune.inference.decoders.joined import JoinedDecoder
from nercc_tune.inference.decoders.kernel_search import best_kernel
from nercc_tune.inference.decoders.kriging import KrigingDecoder
from nercc_tune.inference.decoders.matrices import MatrixDecoder, decode_by_matrices
from nercc_tune.inference.decoders.spline import SplineDecoder
from nercc_tune.inference.decoders.trained import TrainedDecoder

__all__ = [
    "Decoder",
    "Decoding",
    "DistrustingDecoding",
    "EitherDecoding",
    "JoinedDecoder",
    "KrigingDecoder",
    "MatrixDecoder",
    "SplineDecoder",
    "TrainedDecoder",
    "best_distrust",
    "best_kernel",
    "best_parameter",
    "decode_by_matrices",
    "profile_of",
]

"""Natural cubic smoothing splines as linear maps."""

from nercc_tune.splines.natural import effective_dof, smoothing_matrix
from nercc_tune.splines.smooth import smooth
from nercc_tune.splines.spectrum import SplineSpectrum

__all__ = ["SplineSpectrum", "effective_dof", "smooth", "smoothing_matrix"]

"""What works on this machine, and what is missing."""

from nercc_tune.doctor.examination import Finding, examine

__all__ = ["Finding", "examine"]

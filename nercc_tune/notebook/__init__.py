"""The studies of a home in a notebook: as data frames, and as figures to look into."""

from nercc_tune.notebook.opening import open_home

__all__ = ["open_home"]

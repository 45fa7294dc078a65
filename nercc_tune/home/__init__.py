"""What studies leave behind, and what ships: the home folder, its two stores, study files, provenance."""

from nercc_tune.home.home import Home
from nercc_tune.home.writing import replace_file, write_whole

__all__ = ["Home", "replace_file", "write_whole"]

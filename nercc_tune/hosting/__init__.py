"""A coded service on Ray Serve: started, watched, given another code while it runs, and ended."""

from nercc_tune.hosting.plan import Offer
from nercc_tune.hosting.settings import HostSettings

__all__ = ["HostSettings", "Offer"]

"""What people look at: MLflow's own page and the λ explorer, started and stopped together."""

from nercc_tune.dashboard.dashboard import Dashboard, Links
from nercc_tune.dashboard.service import Service

__all__ = ["Dashboard", "Links", "Service"]

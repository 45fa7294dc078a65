"""Studies that crews search, as the tests of faults have them."""

from __future__ import annotations

from tests.faults.conftest import operate

__all__ = ["operate"]

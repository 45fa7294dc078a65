"""A real PostgreSQL for the tests of the storage."""

from __future__ import annotations

from tests.services.postgres import postgres

__all__ = ["postgres"]

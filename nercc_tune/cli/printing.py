"""JSON for scripts."""

from __future__ import annotations

import json
import sys


def print_json(values: object) -> None:
    """Print values as JSON that every reader takes: no NaN, and letters beyond ASCII escaped.

    Raises:
        ValueError: If a number is not finite.
    """
    sys.stdout.write(json.dumps(values, indent=2, allow_nan=False) + "\n")

"""How the rivals of a bench are told apart in every figure: by name, colour and marker."""

from __future__ import annotations

from collections.abc import Iterable

from nercc_tune.reporting.style import CODES, CodeStyle

__all__ = ["bench_styles", "name_rivals"]

_SCHEMES = {
    "coded": ("NeRCC", CODES["tuned"]),
    "parity": ("parity models", CODES["policy"]),
    "equal-resources": ("equal resources", CODES["nercc_ag"]),
    "replication": ("replication", CODES["replication"]),
    "hedging": ("hedging", CODES["frozen"]),
    "none": ("no redundancy", CODES["uncoded"]),
    "bacc": ("BACC", CODES["bacc"]),
}
"""By scheme: what it is called, and whose colour and marker it has; those of the same code everywhere."""

_MORE = (("#6A3D9A", "h"), ("#A0522D", "<"), ("#8C8C00", "d"), ("#999999", ">"))
"""For a second variant of a scheme, and so on."""


def bench_styles(codes: Iterable[str]) -> dict[str, CodeStyle]:
    """Return how each rival looks; the first variant of a scheme as the scheme, others in colours of their own."""
    styles: dict[str, CodeStyle] = {}
    taken: set[str] = set()
    others = 0
    for code in dict.fromkeys(codes):
        scheme, _, details = code.partition(",")
        name, own = _SCHEMES.get(scheme, (scheme, None))
        if own is None or scheme in taken:
            colour, marker = _MORE[others % len(_MORE)]
            others += 1
        else:
            colour, marker = own.colour, own.marker
        taken.add(scheme)
        label = f"{name} ({_describe(details)})" if details else name
        styles[code] = CodeStyle(label=label, colour=colour, marker=marker)
    return styles


def name_rivals(codes: Iterable[str]) -> dict[str, str]:
    """Return what each rival is called."""
    return {code: style.label for code, style in bench_styles(codes).items()}


def _describe(details: str) -> str:
    """Write `deadline_ms=60,least=2` as `deadline 60 ms, least 2`; of a study its name alone."""
    pairs = [item.strip().partition("=")[::2] for item in details.split(",")]
    return ", ".join(
        value if key == "study" else f"{key.removesuffix('_ms')} {value}{' ms' * key.endswith('_ms')}"
        for key, value in pairs
    )

"""Text on terminals that cannot show all letters: λ as `lambda`, – as `-`, and nothing that ends a command."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

__all__ = ["HANDLER", "make_readable", "write_plainly"]

HANDLER = "nercc_tune.readable"
"""Name of the error handler of encodings that `make_readable` installs."""

_GREEK = {
    "λ": "lambda",
    "α": "alpha",
    "β": "beta",
    "ρ": "rho",
    "ℓ": "l",
    "ν": "nu",
    "σ": "sigma",
    "μ": "mu",
    "Σ": "Sum",
}
_SIGNS = {
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "×": "x",
    "·": "*",
    "→": "->",
    "←": "<-",
    "±": "+-",
    "≈": "~",
    "∞": "inf",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "‖": "||",
    "∫": "integral ",
    "″": "''",
    "′": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": "'",
    "’": "'",
    "«": '"',
    "»": '"',
    "•": "*",
    "✓": "ok",
    "✔": "ok",
    "✗": "x",
    "⌊": "floor(",
    "⌋": ")",
    "⁻": "-",
    "━": "-",
    "╸": "-",
    "╺": "-",
    "─": "-",
    "│": "|",
    "┃": "|",
    "█": "#",
    "▏": "|",
    "●": "*",
    "°": " deg",
    "\u00a0": " ",
}
_PLAIN = {**_GREEK, **_SIGNS}
_BRAILLE, _BOXES = range(0x2800, 0x2900), range(0x2500, 0x2580)


def write_plainly(text: str, encoding: str = "ascii") -> str:
    """Return a text in letters that an encoding has.

    >>> write_plainly("λ_enc ≥ 1e-6 … – é")
    'lambda_enc >= 1e-6 ... - e'
    >>> write_plainly("λ … é", "cp1252")
    'lambda … é'
    """
    return text.encode(encoding, HANDLER).decode(encoding)


def make_readable() -> None:
    """Let what this process prints be readable whatever its terminal can show; nothing printed raises any more."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    """Return a letter in ASCII: what it stands for, or without its accents, or its number."""
    if letter in _PLAIN:
        return _PLAIN[letter]
    if ord(letter) in _BOXES:
        return "+"
    if ord(letter) in _BRAILLE:  # a spinner
        return "."
    bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode("ascii")
    return bare or ascii(letter)[1:-1]


codecs.register_error(HANDLER, _replace)

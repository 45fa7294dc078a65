"""Foreign text in a message: on one line, printable, and not too long."""

from __future__ import annotations

__all__ = ["one_line", "show"]

_LONGEST = 200
_ELLIPSIS = " … "


def one_line(text: object, *, longest: int = _LONGEST) -> str:
    r"""Write text that a user did not type so that it can neither break a message nor flood it.

    White space becomes single spaces, what cannot be printed is escaped, and the middle of what is too long is left
    out.

    >>> one_line("a\n  b\0")
    'a b\\x00'
    """
    words = " ".join(_shorten(str(text), longest=longest).split())
    printable = (letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)
    return _shorten("".join(printable), longest=longest)


def show(value: object, *, longest: int = _LONGEST) -> str:
    """Write a value as Python would, like `one_line`; also where Python refuses to.

    >>> show(10**5000)
    'a whole number of too many digits'
    """
    try:
        return one_line(repr(value), longest=longest)
    except ValueError:  # Python writes at most 4300 digits
        return "a whole number of too many digits"
    except RecursionError:
        return "values nested too deep"


def _shorten(text: str, *, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = (longest - len(_ELLIPSIS)) // 2
    return text[:half] + _ELLIPSIS + text[-half:]

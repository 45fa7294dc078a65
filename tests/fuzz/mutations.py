"""Valid documents made wrong: what to change, where and into what."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

CANARY = "root:x:0:0:canary"
"""Content that no message may quote."""


class Raw(str):
    """A value that is written as it stands, since Python cannot or will not write it."""

    __slots__ = ()


_TEXTS = (
    "",
    " ",
    "\n",
    "a\r\nb",
    "\0",
    "\x1b[31mred",
    "\ud800",
    "é\u202eλ𝕏",
    "\ufeff",
    "x" * 5000,
    "../../etc/passwd",
    "/etc/passwd",
    "~",
    "~nobody/x",
    "a/../../b",
    "file:///etc/passwd",
    "con",
    "a.pt2",
    "os:getcwd",
    "nan",
    "1",
    "{0.__class__}",
    "%s%n",
    "'; DROP TABLE studies; --",
)
_NUMBERS: tuple[object, ...] = (
    0,
    -0.0,
    -1,
    1,
    2,
    3,
    True,
    2**31,
    2**63,
    2**64,
    -(2**64),
    10**400,
    Raw("7" * 5000),
    1e308,
    5e-324,
    0.5,
    float("nan"),
    float("inf"),
    float("-inf"),
)
_OTHERS: tuple[object, ...] = (
    [],
    {},
    None,
    [[]],
    [1, "a"],
    [1, 2, 3],
    {"a": 1},
    {"": {"": 0}},
    {"low": 1e-3, "high": 0.1},
    Raw("[" * 40 + "]" * 40),
    Raw("[" * 5000 + "]" * 5000),
    Raw("1979-05-27T07:32:00Z"),
)
STRANGE: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from((*_TEXTS, *_NUMBERS, *_OTHERS)),
    st.floats(),
    st.integers(),
    st.text(st.characters(), max_size=12),
)
_Place = tuple[Any, Any]
"""A mapping or a list, and a key or an index of it."""


def _places(value: Any) -> Iterator[_Place]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _drop(place: _Place, _other: _Place, _value: Any) -> None:
    del place[0][place[1]]


def _replace(place: _Place, _other: _Place, value: Any) -> None:
    place[0][place[1]] = copy.deepcopy(value)


def _rename(place: _Place, _other: _Place, value: Any) -> None:
    if isinstance(place[0], dict):
        place[0][value if isinstance(value, str) else "renamed"] = place[0].pop(place[1])


def _swap(place: _Place, other: _Place, _value: Any) -> None:
    mine, its = copy.deepcopy(place[0][place[1]]), copy.deepcopy(other[0][other[1]])
    place[0][place[1]] = its
    if other[1] in other[0] or (isinstance(other[0], list) and other[1] < len(other[0])):
        other[0][other[1]] = mine


def _wrap(place: _Place, _other: _Place, _value: Any) -> None:
    place[0][place[1]] = [place[0][place[1]]]


def _double(place: _Place, _other: _Place, _value: Any) -> None:
    if isinstance(place[0], list):
        place[0].insert(place[1], copy.deepcopy(place[0][place[1]]))
    else:
        place[0][f"{place[1]}_"] = copy.deepcopy(place[0][place[1]])


_CHANGES: tuple[Callable[[_Place, _Place, Any], None], ...] = (
    _drop,
    _replace,
    _replace,
    _rename,
    _swap,
    _wrap,
    _double,
)


@st.composite
def changed(draw: st.DrawFn, documents: Sequence[Any], *, most: int = 3) -> Any:
    """Change a document of mappings, lists and values in a few places."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(0, most))):
        places = list(_places(document))
        if places:
            place, other = (draw(st.sampled_from(places)) for _ in range(2))
            draw(st.sampled_from(_CHANGES))(place, other, draw(STRANGE))
    return document


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Damage a file as disks, editors and transfers do."""
    place = draw(st.integers(0, len(content) - 1))
    lines = content.splitlines(keepends=True)
    line = draw(st.integers(0, len(lines) - 1))
    flipped = bytes([content[place] ^ 1 << draw(st.integers(0, 7))])
    text, encoding = content.decode(errors="replace"), draw(st.sampled_from(("utf-8-sig", "utf-16", "utf-32", "cp037")))
    wholes = (b"", b"\0" * 64, content * 2, content.replace(b"\n", b"\r\n"), gzip.compress(content), CANARY.encode())
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content[:place],
        lambda: content[:place] + flipped + content[place + 1 :],
        lambda: content[:place] + draw(st.binary(max_size=8)) + content[place:],
        lambda: b"".join([*lines[: line + 1], *lines[line:]]),
        lambda: b"".join([*lines[:line], *lines[line + 1 :]]),
        lambda: text.encode(encoding, errors="replace"),
        lambda: draw(st.sampled_from(wholes)),
    )
    return draw(st.sampled_from(ways))()


def to_json(value: Any) -> str:
    """Write a document as JSON, raw values as they stand."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}: {to_json(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(to_json(part) for part in value) + "]"
    return json.dumps(value)


def to_toml(document: dict[str, Any]) -> str:
    """Write a document as TOML, tables in one line; what TOML cannot write is left out."""
    return "".join(f"{_quote(key)} = {_to_toml(value)}\n" for key, value in document.items() if value is not None)


def _to_toml(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, dict):
        parts = (f"{_quote(key)} = {_to_toml(part)}" for key, part in value.items() if part is not None)
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_to_toml(part) for part in value if part is not None) + "]"
    return repr(value)


def _quote(text: str) -> str:
    # JSON's escapes are TOML's, but for letters beyond 16 bits, which are written as they are.
    escaped = (json.dumps(letter)[1:-1] if letter.isascii() else letter for letter in text)
    return '"' + "".join(escaped).replace("\x7f", "\\u007f") + '"'

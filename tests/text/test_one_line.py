from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nercc_tune.text.one_line import one_line, show


@given(text=st.text(st.characters()), longest=st.integers(10, 40))
def test_any_text_is_printable_and_short(text: str, longest: int) -> None:
    written = one_line(text, longest=longest)
    assert written.isprintable()
    assert len(written) <= longest


@pytest.mark.parametrize("text", ["", "a", "a b", "λ_dec must be `0`", "x" * 200])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text


def test_the_middle_of_a_long_text_is_left_out() -> None:
    assert one_line("a" * 100 + "b" * 100, longest=13) == "aaaaa … bbbbb"


def test_values_are_written_as_python_would_where_it_can() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert (show("a"), show(0.5), show((1, "b"))) == ("'a'", "0.5", "(1, 'b')")
    assert show(10**5000) == "a whole number of too many digits"
    assert show(nested) == "values nested too deep"

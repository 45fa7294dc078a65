from __future__ import annotations

import io
import sys

import pytest
from rich.table import Table

from nercc_tune.text.console import make_console
from nercc_tune.text.readable import HANDLER, make_readable, write_plainly

ENCODINGS = ("ascii", "cp1252", "latin-1", "cp437", "utf-8")
SHOWN = "λ_enc 1e-6 – K50 → N200, ≥ 95 % … ‖·‖² ┏━┓ ⠋ é 漢 \udce9"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_everything_can_be_written_in_every_encoding(encoding: str) -> None:
    shown = write_plainly(SHOWN, encoding)
    assert "enc 1e-6" in shown
    assert shown.encode(encoding).decode(encoding) == shown
    every = "".join(map(chr, (*range(0x20, 0xD800), *range(0xE000, 0x11000))))
    assert write_plainly(every, encoding).encode(encoding)


def test_letters_of_the_field_are_words() -> None:
    assert write_plainly("λ α β → ≥ – … × é") == "lambda alpha beta -> >= - ... x e"
    assert write_plainly("λ – é", "utf-8") == "λ – é"
    assert write_plainly("漢") == "\\u6f22"


def test_only_what_cannot_be_encoded_is_replaced() -> None:
    with pytest.raises(UnicodeDecodeError, match="invalid start byte"):
        b"\xff".decode("utf-8", HANDLER)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_a_command_prints_never_raises(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    screens = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, screen in screens.items():
        monkeypatch.setattr(sys, name, screen)
    make_readable()
    table = Table(title="λ – of S", title_justify="left")
    table.add_column("λ_enc", justify="right")
    table.add_column("S …")
    table.add_row("1e-6", "→ 漢")
    make_console().print(table)
    make_console(stderr=True).print(SHOWN)
    print(SHOWN)
    shown = []
    for screen in screens.values():
        screen.flush()
        shown.append(screen.buffer.getvalue().decode(encoding))
    assert "1e-6" in shown[0]
    if encoding == "ascii":
        lines = shown[0].splitlines()
        assert lines[0].strip() == "lambda - of S"
        assert len({len(line) for line in lines[1:-1]}) == 1  # the columns are aligned
        assert "lambda_enc" in lines[2]

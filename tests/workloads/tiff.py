"""TIFF files of kinds that Pillow reads but does not write."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

BLACK_IS_ZERO, WHITE_IS_ZERO = 1, 0
UNSIGNED, SIGNED = 1, 2


def tiff(values: NDArray[np.integer], *, bits: int, sample: int = UNSIGNED, photometric: int = BLACK_IS_ZERO) -> bytes:
    """Return a grey image [h, w] as a little-endian TIFF file of one strip; 12 bits are packed."""
    height, width = values.shape
    if bits == 12:
        digits = [f"{value:012b}" for row in values for value in row]
        strip = bytes(int(byte, 2) for byte in _bytes_of("".join(digits)))
    else:
        strip = values.astype(f"<{'i' if sample == SIGNED else 'u'}{bits // 8}").tobytes()
    fields = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(strip)),
        (339, 3, sample),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in fields)
    return struct.pack("<2sHI", b"II", 42, 8 + len(strip)) + strip + struct.pack("<H", len(fields)) + entries + bytes(4)


def _bytes_of(digits: str) -> list[str]:
    return [digits[start : start + 8] for start in range(0, len(digits), 8)]

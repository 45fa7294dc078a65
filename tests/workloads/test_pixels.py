from __future__ import annotations

import colorsys
import io
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.pixels import depth_of, has_colours, to_eight_bits, to_mode
from nercc_tune.workloads.preprocessing import FixedSize, PlainPixels
from tests.workloads.tiff import SIGNED, WHITE_IS_ZERO, tiff

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_SIDE = 5
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_PALETTE = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)


def _grey(values: Floats) -> Floats:
    return np.repeat(values[..., None], 3, axis=-1)


def _from_lab(bytes_: Bytes) -> Floats:
    """Turn CIE L*a*b* under D50 into sRGB, by way of Bradford's adaptation to D65."""
    lightness, a, b = bytes_[..., 0] / 255 * 100, bytes_[..., 1] - 128.0, bytes_[..., 2] - 128.0
    middle = (lightness + 16) / 116
    roots = np.stack([middle + a / 500, middle, middle - b / 200], -1)
    ratios = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    to_linear = np.array(
        [
            [3.1338561, -1.6168667, -0.4906146],
            [-0.9787684, 1.9161415, 0.0334540],
            [0.0719453, -0.2289914, 1.4052427],
        ]
    )
    linear = np.clip(ratios * np.array([0.9642, 1.0, 0.8249]) @ to_linear.T, 0, 1)
    colours: Floats = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return colours


def _from_ycbcr(bytes_: Bytes) -> Floats:
    luma, blue, red = bytes_[..., 0] / 255, bytes_[..., 1] / 255 - 128 / 255, bytes_[..., 2] / 255 - 128 / 255
    return np.clip(
        np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], -1), 0, 1
    )


def _from_hsv(bytes_: Bytes) -> Floats:
    return np.apply_along_axis(lambda values: np.array(colorsys.hsv_to_rgb(*values)), -1, bytes_ / 255)


def _palette(bytes_: Bytes) -> Image.Image:
    image = _raw("P", bytes_[..., 0])
    image.putpalette(_PALETTE.tobytes())
    image.info["transparency"] = bytes(range(256))
    return image


# For each mode: how an image of it is made of four bytes a pixel, and its colours in floats, computed without Pillow.
_MODES: dict[str, tuple[Callable[[Bytes], Image.Image], Callable[[Bytes], Floats]]] = {
    "1": (lambda b: Image.fromarray(b[..., 0] > 127), lambda b: _grey((b[..., 0] > 127).astype(np.float64))),
    "L": (lambda b: Image.fromarray(b[..., 0]), lambda b: _grey(b[..., 0] / 255)),
    "LA": (lambda b: Image.fromarray(b[..., :2].copy()), lambda b: _grey(b[..., 0] / 255)),
    "P": (_palette, lambda b: _PALETTE[b[..., 0]] / 255),
    "RGB": (lambda b: Image.fromarray(b[..., :3].copy()), lambda b: b[..., :3] / 255),
    "RGBA": (Image.fromarray, lambda b: b[..., :3] / 255),
    "RGBX": (lambda b: _raw("RGBX", b), lambda b: b[..., :3] / 255),
    "CMYK": (lambda b: _raw("CMYK", b), lambda b: (1 - b[..., :3] / 255) * (1 - b[..., 3:] / 255)),
    "YCbCr": (lambda b: _raw("YCbCr", b[..., :3]), lambda b: _from_ycbcr(b[..., :3])),
    "HSV": (lambda b: _raw("HSV", b[..., :3]), lambda b: _from_hsv(b[..., :3])),
    "I;16": (lambda b: _deep("I;16", b, "<u2"), lambda b: _grey(_sixteen(b) / 65535)),
    "I;16L": (lambda b: _deep("I;16L", b, "<u2"), lambda b: _grey(_sixteen(b) / 65535)),
    "I;16B": (lambda b: _deep("I;16B", b, ">u2"), lambda b: _grey(_sixteen(b) / 65535)),
    "I": (lambda b: _deep("I", b, "<i4"), lambda b: _grey(_sixteen(b) / 65535)),
}


def _raw(mode: str, bytes_: Bytes) -> Image.Image:
    return Image.frombytes(mode, (bytes_.shape[1], bytes_.shape[0]), bytes_.tobytes())


def _sixteen(bytes_: Bytes) -> NDArray[np.int64]:
    values = bytes_[..., 0].astype(np.int64) * 256 + bytes_[..., 1]
    values[0, 0] = 40000  # what fits into bytes is refused in 32 bits
    return values


def _deep(mode: str, bytes_: Bytes, kind: str) -> Image.Image:
    values = _sixteen(bytes_)
    return Image.frombytes(mode, (values.shape[1], values.shape[0]), values.astype(kind).tobytes())


@pytest.mark.parametrize("mode", _MODES)
@settings(deadline=None, max_examples=20)
@given(pixels=arrays(np.uint8, (_SIDE, _SIDE, 4)))
def test_every_mode_means_what_floats_say(mode: str, pixels: Bytes) -> None:
    """Two steps of a byte are what fixed-point conversions and two roundings may leave; HSV has a third."""
    make, reference = _MODES[mode]
    image, expected = make(pixels), reference(pixels)
    assert image.mode == mode
    tolerance = {"HSV": 3, "YCbCr": 2, "CMYK": 2}.get(mode, 0.5) / 255 + 1e-6
    colours = PlainPixels(channels=3)(image).permute(1, 2, 0).numpy()
    assert np.abs(colours - expected).max() <= tolerance
    grey = PlainPixels(channels=1)(image)[0].numpy()
    luma = pixels[..., 0] / 255 if mode == "YCbCr" else expected @ _LUMINANCE  # which need not be a colour of RGB
    assert np.abs(grey - luma).max() <= tolerance + 1 / 255
    normalised = FixedSize(channels=3, size=_SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)(image)
    assert float(normalised.mean()) == pytest.approx((expected.mean() - 0.5) / 0.25, abs=4 * tolerance)


@settings(deadline=None, max_examples=20)
@given(pixels=arrays(np.uint8, (4, 6, 3), elements=st.integers(118, 138)))
def test_lab_means_what_floats_say(pixels: Bytes) -> None:
    """The colours lie near grey, where all of them can be shown; two steps are for the fixed point of the profiles."""
    signed = pixels.copy()
    signed[..., 1:] -= 128  # Pillow's own form of a and b is that of TIFF files
    expected = _from_lab(pixels)
    colours = PlainPixels(channels=3)(_raw("LAB", signed)).permute(1, 2, 0).numpy()
    assert np.abs(colours - expected).max() <= 2.5 / 255
    assert to_mode(_raw("LAB", signed), "L").mode == "L"


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA"])
@pytest.mark.parametrize("wanted", ["L", "RGB"])
def test_modes_with_transparency_lose_it(mode: str, wanted: Literal["L", "RGB"]) -> None:
    assert to_mode(Image.new(mode, (2, 2)), wanted).mode == wanted


def _read(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def _written(values: NDArray[np.generic], form: str) -> Image.Image:
    file = io.BytesIO()
    Image.fromarray(values).save(file, form)
    return _read(file.getvalue())


def _integers(values: list[list[int]]) -> Image.Image:
    return _written(np.array(values, dtype=np.int32), "TIFF")


_RAMP = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)


@pytest.mark.parametrize(
    ("image", "expected", "kind"),
    [
        pytest.param(_written(_RAMP, "PNG"), _RAMP / 65535, "16 bits", id="png"),
        pytest.param(_written(_RAMP, "TIFF"), _RAMP / 65535, "16 bits", id="tiff"),
        pytest.param(_written(_RAMP.astype(np.int32), "TIFF"), _RAMP / 65535, "16-bit values in 32 bits", id="int32"),
        pytest.param(_read(tiff(_RAMP, bits=32)), _RAMP / 65535, "16-bit values in 32 bits", id="uint32"),
        pytest.param(_read(tiff(_RAMP // 16, bits=12)), (_RAMP // 16) / 4095, "12 bits", id="12 bits"),
        pytest.param(
            _read(tiff(_RAMP, bits=16, photometric=WHITE_IS_ZERO)), 1 - _RAMP / 65535, "16 bits", id="inverted"
        ),
        pytest.param(
            _read(b"P5 8 8 65535\n" + _RAMP.astype(">u2").tobytes()), _RAMP / 65535, "16 bits", id="pgm"
        ),
        pytest.param(
            _read(b"P5 8 8 1023\n" + (_RAMP // 64).astype(">u2").tobytes()), (_RAMP // 64) / 1023, "16 bits", id="10"
        ),
        pytest.param(_read(b"P2 2 1 65535\n5 255\n"), np.array([[5, 255]]) / 65535, "16 bits", id="dark pgm"),
    ],
)  # fmt: skip
def test_deep_files_are_scaled_by_their_depth(image: Image.Image, expected: Floats, kind: str) -> None:
    depth = depth_of(image, name="x")
    assert depth is not None
    assert depth.kind == kind
    assert depth.largest == np.asarray(image).max()
    reduced = to_eight_bits(image)
    assert reduced.mode == "L"
    assert np.abs(np.asarray(reduced) / 255 - expected).max() <= 0.5 / 255 + 1e-9
    assert to_eight_bits(reduced) is reduced


def test_colours_of_16_bits_are_those_of_8() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (4, 5, 3))
    header = b"P6 5 4 65535\n"
    pixels = np.asarray(to_mode(_read(header + values.astype(">u2").tobytes()), "RGB"))
    assert np.abs(pixels / 255 - values / 65535).max() <= 1 / 255


def test_black_is_black_in_any_depth() -> None:
    for mode in ("I;16", "I"):
        assert not np.asarray(to_eight_bits(Image.new(mode, (2, 2)))).any()


@pytest.mark.parametrize(
    ("image", "what"),
    [
        pytest.param(_written(np.array([[0.0, 1.0]]).astype(np.float32), "TIFF"), "floats from 0 to 1", id="floats"),
        pytest.param(_integers([[0, 255]]), "integers of 32 bits from 0 to 255", id="bytes"),
        pytest.param(_integers([[0, 65536]]), "integers of 32 bits from 0 to 65536", id="32"),
        pytest.param(_integers([[-1, 300]]), "integers of 32 bits from -1 to 300", id="minus"),
        pytest.param(
            _read(tiff(np.array([[0, 9000]]), bits=16, sample=SIGNED)), "signed integers of 16 bits from", id="short"
        ),
        pytest.param(
            _read(tiff(np.array([[0, 2**32 - 1]]), bits=32)), "integers of 32 bits from -1 to 0", id="wrapped"
        ),
    ],
)  # fmt: skip
def test_depths_that_a_file_does_not_say_are_refused(image: Image.Image, what: str) -> None:
    with pytest.raises(
        WorkloadError, match=rf"^`x\.tif` must say which of its values is white, but holds {what}.*; save it with 8 or"
    ):
        to_eight_bits(image, name="x.tif")


def test_older_pillows_read_16_bits_as_32() -> None:
    image = Image.fromarray(np.array([[0, 200]], dtype=np.int32))
    image.format = "PNG"
    assert np.asarray(to_eight_bits(image)).tolist() == [[0, 1]]


def test_greys_are_told_from_colours() -> None:
    greys = {mode for mode in (*_MODES, "F", "La", "LAB") if not has_colours(Image.new(mode, (1, 1)))}
    assert greys == {"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B"}

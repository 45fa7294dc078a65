"""From the body of a request to a query, with nothing allocated that is larger than what was allowed."""

from __future__ import annotations

import io
import json
import math
import warnings
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from nercc_tune.text.one_line import one_line, show
from nercc_tune.workloads.preprocessing import Preprocessing

__all__ = ["QueryReader", "UnreadableQueryError"]

_JSON = "application/json"
_NPY = ("application/x-npy", "application/octet-stream")
_IMAGE = "image/"
_IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_LARGEST_IMAGE_BYTES = 2**24
_MOST_PIXELS = 2**25
_HEADER_BYTES = 2**12
_BYTES_OF_A_NUMBER = 32  # as JSON; Python writes a double in at most 24 letters, and there is white space


class UnreadableQueryError(ValueError):
    """A request holds no query.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryReader:
    """Reads queries of one shape.

    Attributes:
        query_shape: Of a query as the model takes it, which is what JSON and `.npy` hold.
        preprocessing: What makes a query of an image; None where no images are served.
    """

    query_shape: tuple[int, ...]
    preprocessing: Preprocessing | None = None

    def limit(self, content_type: str) -> int:
        """Return how many bytes a body may have.

        Raises:
            UnreadableQueryError: If bodies of this type are not read.
        """
        numbers = math.prod(self.query_shape)
        kind = _kind(content_type)
        if kind == _JSON:
            return _HEADER_BYTES + _BYTES_OF_A_NUMBER * numbers
        if kind in _NPY:
            return _HEADER_BYTES + 8 * numbers
        if kind.startswith(_IMAGE) and self.preprocessing is not None:
            return _LARGEST_IMAGE_BYTES
        images = ", or an image as `image/png`, `image/jpeg` …" if self.preprocessing is not None else ""
        raise UnreadableQueryError(
            f"the content type must be `{_JSON}` or `{_NPY[0]}`{images}, but got {show(content_type)}.",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )

    def read(self, body: bytes, content_type: str) -> Tensor:
        """Return the query, float32 […], of a body that is within its limit.

        Raises:
            UnreadableQueryError: If there is none in it.
        """
        kind = _kind(content_type)
        if kind.startswith(_IMAGE):
            return self._checked(self._from_image(body))
        array = self._from_json(body) if kind == _JSON else self._from_npy(body)
        with np.errstate(over="ignore"):  # what does not fit is an infinity, which is refused
            return self._checked(torch.from_numpy(array.astype(np.float32)))

    def _from_json(self, body: bytes) -> NDArray[np.generic]:
        try:
            values = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise UnreadableQueryError(f"the body must be JSON, but it is not: {one_line(error)}.") from error
        if not isinstance(values, dict) or set(values) != {"query"}:
            raise UnreadableQueryError('the body must be `{"query": [...]}`, nested lists of numbers and nothing else.')
        try:
            array = np.array(values["query"])
        except (ValueError, OverflowError) as error:
            raise UnreadableQueryError(f"`query` must be {self._expected}, but its lists differ in length.") from error
        if array.dtype.kind not in "iuf":
            raise UnreadableQueryError(f"`query` must be {self._expected}, but not all of it are numbers.")
        self._check_shape(array.shape)
        return array

    def _from_npy(self, body: bytes) -> NDArray[np.generic]:
        file = io.BytesIO(body)
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, is_fortran, dtype = read(file, max_header_size=_HEADER_BYTES)
        except Exception as error:  # NumPy parses the header as Python, and raises whatever its parser does
            raise UnreadableQueryError("the body must be a `.npy` file, but its header is not that of one.") from error
        self._check_shape(shape)
        if dtype.kind not in "iuf":
            raise UnreadableQueryError(f"the array must hold numbers, but got {one_line(dtype)}.")
        data = memoryview(body)[file.tell() :]
        if len(data) != math.prod(shape) * dtype.itemsize:
            raise UnreadableQueryError(f"the array must have {math.prod(shape)} values, but the file is cut or longer.")
        return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if is_fortran else "C")

    def _from_image(self, body: bytes) -> Tensor:
        if self.preprocessing is None:  # `limit` has refused it
            raise UnreadableQueryError("no images are served.", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the next check is stricter
                image = Image.open(io.BytesIO(body), formats=_IMAGE_FORMATS)
            pixels = math.prod(image.size)
            if pixels <= _MOST_PIXELS:
                image.load()
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
            names = ", ".join(_IMAGE_FORMATS)
            raise UnreadableQueryError(f"the body must be an image ({names}), but it cannot be decoded.") from error
        if pixels > _MOST_PIXELS:
            raise UnreadableQueryError(
                f"an image must have at most {_MOST_PIXELS} pixels, but got {pixels}.",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        return self.preprocessing(image)

    def _checked(self, query: Tensor) -> Tensor:
        self._check_shape(tuple(query.shape))
        if not bool(query.isfinite().all()):
            raise UnreadableQueryError("the query must be finite, but got a NaN, an infinity or too large a number.")
        return query

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if tuple(shape) != self.query_shape:
            raise UnreadableQueryError(f"the query must be {self._expected}, but got shape {show(tuple(shape))}.")

    @property
    def _expected(self) -> str:
        return f"numbers of shape {self.query_shape}"


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nercc_tune.errors import WorkloadError
from nercc_tune.workloads.labels import read_labels

_TYPES = ("uint8", "int16", "int64", "uint64", "float16", "float64", ">i4", "U8", "S8")


@settings(deadline=None, max_examples=60)
@given(values=st.lists(st.integers(0, 100), min_size=1, max_size=5), data=st.data())
def test_every_form_gives_the_same_labels(values: list[int], data: st.DataObject) -> None:
    count = len(values)
    plain = np.array(values).astype(data.draw(st.sampled_from(_TYPES)))
    rows = np.eye(101)[values].astype(data.draw(st.sampled_from(("uint8", "bool", "float32", "int64"))))
    forms = [plain, plain[:, None], plain[None], rows]
    for form in forms:
        labels = read_labels(form, count)
        assert labels.dtype == torch.int64
        assert labels.tolist() == values


def test_two_classes_may_be_truth_values() -> None:
    assert read_labels(np.array([True, False]), 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "count", "got"),
    [
        (np.array([0.0, 1.5]), 2, r"float64 of shape \(2,\) that holds 1\.5"),
        (np.array([0.0, np.nan]), 2, "that holds nan"),
        (np.array([0.0, np.inf]), 2, "that holds inf"),
        (np.array([[3], [-1]]), 2, r"int64 of shape \(2, 1\) that holds -1"),
        (np.array([2**40, 1]), 2, "that holds 1099511627776"),
        (np.array(["cat", "1"]), 2, "text like 'cat'; number the classes"),
        (np.array([1j, 0]), 2, r"complex128 of shape \(2,\)"),
        (np.array(["2020-01-01"], dtype="M8[D]"), 1, r"datetime64\[D\] of shape \(1,\)"),
        (np.array([0, 1, 2]), 2, r"int64 of shape \(3,\)"),
        (
            np.array([[1, 0], [1, 1]]),
            2,
            r"int64 of shape \(2, 2\) in which not every row is one 1 among zeros; take the",
        ),
        (np.array([[0.9, 0.1], [0.0, 1.0]]), 2, "in which not every row is one 1"),
        (np.array([[1, 0], [0, 0]]), 2, "in which not every row is one 1"),
        (np.zeros((2, 2, 2)), 2, r"float64 of shape \(2, 2, 2\)"),
        (np.array(3), 1, r"int64 of shape \(\)"),
    ],
)
def test_what_is_no_label_is_refused(labels: NDArray[np.generic], count: int, got: str) -> None:
    with pytest.raises(WorkloadError, match=rf"^`labels` must be {count} whole numbers >= 0, one for .*but got.*{got}"):
        read_labels(labels, count)

from __future__ import annotations

import pytest
import torch

from nercc_tune.errors import WorkloadError
from nercc_tune.inference import check_size, load_groups, split_queries
from tests.fakes import tiny_spec
from tests.inference.fakes import workload

SPEC = tiny_spec()  # K = 5; 3 tuning, 2 validation and 4 held-out groups: 45 queries


@pytest.mark.parametrize("available", [45, 46, 1000])
def test_no_query_is_drawn_twice(available: int) -> None:
    split = split_queries(SPEC, available)
    assert (len(split.tuning), len(split.validation), len(split.heldout)) == (3, 2, 4)
    groups = split.tuning + split.validation + split.heldout
    drawn = [index for group in groups for index in group]
    assert {len(group) for group in groups} == {5}
    assert len(set(drawn)) == 45
    assert set(drawn) <= set(range(available))
    assert split.indices == sorted(drawn)


def test_the_seed_alone_decides() -> None:
    split = split_queries(SPEC, 100)
    assert split_queries(tiny_spec(), 100) == split
    assert split_queries(tiny_spec("evaluation.seed=1"), 100) != split


def test_more_heldout_groups_leave_the_others_as_they_were() -> None:
    few, many = split_queries(SPEC, 100), split_queries(tiny_spec("evaluation.heldout_groups=9"), 100)
    assert many.tuning == few.tuning
    assert many.heldout[:4] == few.heldout


def test_more_validation_groups_leave_all_others_as_they_were() -> None:
    few, many = split_queries(SPEC, 100), split_queries(tiny_spec("evaluation.validation_groups=9"), 100)
    assert (many.tuning, many.heldout) == (few.tuning, few.heldout)
    assert many.validation[:2] == few.validation


def test_a_part_is_named_by_its_use() -> None:
    split = split_queries(SPEC, 100)
    assert split.of("tuning") == split.tuning
    assert split.of("validation") == split.validation
    assert split.of("heldout") == split.heldout


def test_too_few_queries_are_an_error_that_says_how_to_mend_it() -> None:
    check_size(SPEC, 45)
    message = (
        "`digits` has 44 queries, but 3 tuning, 2 validation and 4 held-out groups of 5 take 45; "
        "lower the groups in `evaluation`"
    )
    with pytest.raises(WorkloadError, match=message):
        check_size(SPEC, 44)
    with pytest.raises(WorkloadError, match=message):
        split_queries(SPEC, 44)


def test_groups_hold_the_queries_and_labels_of_their_indices() -> None:
    groups = load_groups(workload(), ((7, 2), (9, 40), (0, 1)), precision="fp32")
    assert groups.queries.shape == (3, 2, 3, 2, 2)
    assert groups.queries[:, :, 0, 0, 0].tolist() == [[7, 2], [9, 40], [0, 1]]
    assert groups.labels.tolist() == [[1, 2], [0, 1], [0, 1]]
    assert torch.equal(groups.queries[:, :, 2, 1, 1], groups.queries[:, :, 0, 0, 0])


def test_the_key_covers_the_queries_and_the_precision() -> None:
    drawn = ((7, 2), (9, 40))
    keys = [
        load_groups(workload(), indices, precision=precision).key
        for indices, precision in ((drawn, "fp32"), (drawn, "bf16"), (((7, 2), (40, 9)), "fp32"))
    ]
    assert len(set(keys)) == 3
    assert load_groups(workload(), drawn, precision="fp32").key == keys[0]

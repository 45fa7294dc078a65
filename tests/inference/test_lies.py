from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.inference.lies import CellLies
from nercc_tune.records import ErrorKind
from nercc_tune.records.wrong_answers import ERROR_KINDS
from nercc_tune.straggling import Independent, Liars, draw_liars

GROUPS, WORKERS, CLASSES = 5, 9, 4
AT = torch.tensor([6, 0, 3])  # where three liars sit, not in the order of β


def _outputs(groups: int = GROUPS, *, seed: int = 0) -> Tensor:
    return torch.randn(groups, WORKERS, CLASSES, generator=torch.Generator().manual_seed(seed))


def _lies(*kinds: str, masks: int = 6, seed: int = 3) -> CellLies:
    lying = np.zeros((masks, WORKERS), dtype=np.bool_)
    lying[:, [1, 2, 7]] = True
    kind = np.arange(masks, dtype=np.int64) % len(kinds)
    return CellLies(Liars(lying=lying, kind=kind), kinds=tuple(map(ErrorKind.of, kinds)), seed=seed)


def _never(kind: ErrorKind) -> Tensor:
    raise AssertionError(f"{kind.label} needs no stale outputs")


def test_every_kind_is_answered_for() -> None:
    lies = _lies(*ERROR_KINDS, masks=len(ERROR_KINDS))
    outputs = _outputs()
    for mask, name in enumerate(ERROR_KINDS):
        wrong = lies.wrong(mask, outputs, AT, lambda _: _outputs(seed=1))
        assert lies.kind(mask).name == name
        assert wrong.shape == (GROUPS, 3, CLASSES)
        assert (wrong != outputs[:, AT]).all()


def test_the_liars_of_a_mask_are_its_workers_in_order() -> None:
    lies = _lies("nan")
    assert lies.liars(2).dtype == torch.int64
    assert lies.liars(2).tolist() == [1, 2, 7]
    assert len(lies) == 6


def test_a_flipped_sign_makes_negative_probabilities() -> None:
    outputs = _outputs().softmax(-1)
    assert torch.equal(_lies("sign-flip").wrong(0, outputs, AT, _never), -outputs[:, AT])


def test_noise_has_the_deviation_of_its_kind() -> None:
    outputs = _outputs(4000)
    noise = _lies("normal-10").wrong(0, outputs, AT, _never) - outputs[:, AT]
    assert float(noise.mean()) == pytest.approx(0, abs=0.23)  # five standard errors of 48000
    assert float(noise.std()) == pytest.approx(10, abs=0.17)
    assert np.abs(np.corrcoef(noise.flatten(1).T.numpy()) - np.eye(12)).max() < 5 / math.sqrt(4000)


def test_noise_is_the_same_whatever_the_code_makes_the_workers_answer() -> None:
    lies = _lies("normal-1")
    zero = torch.zeros(GROUPS, WORKERS, CLASSES)
    noise = lies.wrong(2, zero, AT, _never)
    assert torch.equal(noise, lies.wrong(2, zero, AT.flip(0), _never))  # the liars' own, wherever they sit
    outputs = _outputs()
    assert torch.equal(lies.wrong(2, outputs, AT, _never), outputs[:, AT] + noise)
    assert not torch.equal(noise, lies.wrong(3, zero, AT, _never))
    assert not torch.equal(noise, _lies("normal-1", seed=4).wrong(2, zero, AT, _never))
    assert torch.equal(10 * noise, _lies("normal-10").wrong(2, zero, AT, _never))
    assert torch.unique(noise).numel() == noise.numel()


@pytest.mark.parametrize("groups", [2, 3, 7])
def test_another_query_is_the_same_workers_answer_for_another_group(groups: int) -> None:
    lies, outputs = _lies("other-query", masks=40), _outputs(groups)
    shifts = set()
    for mask in range(40):
        wrong = lies.wrong(mask, outputs, AT, _never)
        (shift,) = [shift for shift in range(groups) if torch.equal(wrong[0], outputs[shift, AT])]
        for group in range(groups):
            assert torch.equal(wrong[group], outputs[(group + shift) % groups, AT])
        shifts.add(shift)
    assert shifts == set(range(1, groups))


def test_another_query_needs_another_group() -> None:
    with pytest.raises(ValueError, match=r"`outputs` must have a group to answer for instead, but got 1 in all\."):
        _lies("other-query").wrong(0, _outputs(1), AT, _never)


def test_stale_answers_are_those_of_the_kind_that_is_asked_for() -> None:
    lies = _lies("stale-0.1", "stale-2")
    stale = {"stale-0.1": _outputs(seed=1), "stale-2": _outputs(seed=2)}
    for mask, label in enumerate(stale):
        wrong = lies.wrong(mask, _outputs(), AT, lambda kind: stale[kind.label])
        assert torch.equal(wrong, stale[label][:, AT])


@pytest.mark.parametrize(
    ("kind", "value"), [("constant-0", 0.0), ("constant-2.5", 2.5), ("nan", math.nan), ("infinity", math.inf)]
)
def test_constants_are_everywhere(kind: str, value: float) -> None:
    wrong = _lies(kind).wrong(0, _outputs().double(), AT, _never)
    expected = torch.full((GROUPS, 3, CLASSES), value, dtype=torch.float64)
    torch.testing.assert_close(wrong, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_nobody_lies_with_no_answers(kind: str) -> None:
    liars = Liars(lying=np.zeros((1, WORKERS), dtype=np.bool_), kind=np.zeros(1, dtype=np.int64))
    lies = CellLies(liars, kinds=(ErrorKind.of(kind),), seed=0)
    nowhere = torch.empty(0, dtype=torch.int64)
    assert lies.wrong(0, _outputs(), nowhere, lambda _: _outputs()).shape == (GROUPS, 0, CLASSES)


def test_lies_follow_their_masks_into_another_order() -> None:
    arrivals = Independent(workers=WORKERS, probability=0.4).draw(masks=20, seed=0)
    liars = draw_liars(arrivals, count=2, probability=None, kinds=2, sticky=False, seed=1)
    kinds = (ErrorKind.of("normal-1"), ErrorKind.of("other-query"))
    lies, outputs = CellLies(liars, kinds=kinds, seed=0), _outputs()
    masks = CellMasks(arrivals)
    ordered = lies.order(masks.order)
    arrived = [set(row.tolist()) for batch in masks.batches for row in batch]
    for place, mask in enumerate(masks.order.tolist()):
        assert torch.equal(ordered.liars(place), lies.liars(mask))
        assert set(ordered.liars(place).tolist()) <= arrived[place]
        assert ordered.kind(place) == lies.kind(mask)
        at = lies.liars(mask)
        assert torch.equal(ordered.wrong(place, outputs, at, _never), lies.wrong(mask, outputs, at, _never))
    back = ordered.order(masks.order.argsort().numpy())
    assert all(torch.equal(back.liars(mask), lies.liars(mask)) for mask in range(20))


def test_a_kind_that_is_not_there_is_refused() -> None:
    liars = Liars(lying=np.ones((3, 2), dtype=np.bool_), kind=np.arange(3, dtype=np.int64))
    with pytest.raises(ValueError, match=r"`kinds` must hold kind 2 of the masks, but got 2 kinds\."):
        CellLies(liars, kinds=(ErrorKind.of("nan"), ErrorKind.of("infinity")), seed=0)


def test_other_places_than_those_of_the_liars_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`at` must be a place for each of 3 liars, but got shape \(2,\)\."):
        _lies("nan").wrong(0, _outputs(), AT[:2], _never)


def test_a_kind_without_its_number_is_refused() -> None:
    liars = Liars(lying=np.ones((1, 3), dtype=np.bool_), kind=np.zeros(1, dtype=np.int64))
    lies = CellLies(liars, kinds=(ErrorKind(name="normal", number=None),), seed=0)
    with pytest.raises(ValueError, match=r"`kind` must have a number, but got ErrorKind\(name='normal'"):
        lies.wrong(0, _outputs(), AT, _never)

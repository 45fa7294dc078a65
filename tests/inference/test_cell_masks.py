from __future__ import annotations

import numpy as np
import torch

from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.straggling import Arrivals, Exactly, Independent


def test_masks_with_equally_many_answers_stand_together_and_know_their_numbers() -> None:
    arrivals = Independent(workers=9, probability=0.4).draw(masks=40, seed=0)
    masks = CellMasks(arrivals)
    assert len(masks.batches) > 2
    assert sorted(masks.order.tolist()) == list(range(40))
    stand = [row.tolist() for batch in masks.batches for row in batch]
    assert stand == [np.flatnonzero(arrivals.arrived[mask]).tolist() for mask in masks.order]
    lengths = [len(row) for row in stand]
    assert lengths == sorted(lengths, reverse=True)


def test_masks_of_one_count_stand_as_they_were_drawn() -> None:
    masks = CellMasks(Exactly(workers=9).draw(3, masks=7, seed=0))
    assert masks.order.dtype == torch.int64
    assert masks.order.tolist() == list(range(7))
    assert len(masks) == 7


def test_the_waiting_is_the_mean() -> None:
    arrived = np.ones((2, 3), dtype=np.bool_)
    assert CellMasks(Arrivals(arrived=arrived, waiting=np.array([1.0, 4.0]))).waiting == 2.5
    assert CellMasks(Arrivals(arrived=arrived)).waiting is None

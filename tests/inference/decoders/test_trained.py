"""The decoder of trained codes against the codes themselves, one group and one mask at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nercc_tune.coding import MIXERS, TrainedCode, build_output_decoder
from nercc_tune.inference.decoders import TrainedDecoder, trained
from nercc_tune.inference.metrics import Truth

GROUPS, OUTPUTS = 4, 3
QUERIES, WORKERS = 3, 5
# All masks with all workers, with one less and with two less; some of them again, and one in another order.
BATCHES = (
    torch.tensor([[0, 1, 2, 3, 4]] * 2),
    torch.tensor([[0, 1, 2, 3], [0, 2, 3, 4], [0, 1, 2, 3], [1, 2, 3, 4], [4, 2, 3, 0]]),
    torch.tensor([[0, 3, 4], [0, 1, 2], [2, 3, 4], [0, 3, 4]]),
)


class Counted(nn.Module):
    """Counts how often a network is run."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.calls = 0

    def forward(self, answers: Tensor) -> Tensor:
        self.calls += 1
        estimates: Tensor = self.inner(answers)
        return estimates


def _parity() -> TrainedCode:
    mixer = MIXERS["addition"].build(queries=QUERIES, parities=WORKERS - QUERIES, shape=(2,))
    return TrainedCode(queries=QUERIES, workers=WORKERS, mixer=mixer, parity_networks=(nn.Identity(),) * 2)


def _learned() -> TrainedCode:
    sizes = {"queries": QUERIES, "parities": WORKERS - QUERIES}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mixer, network = MIXERS["mlp"].build(**sizes, shape=(2,)), build_output_decoder(**sizes, outputs=OUTPUTS)
    return TrainedCode(queries=QUERIES, workers=WORKERS, mixer=mixer, decoder=Counted(network))


def _answers() -> Tensor:
    return torch.randn(GROUPS, WORKERS, OUTPUTS, generator=torch.Generator().manual_seed(0))


def _found(code: TrainedCode) -> Tensor:
    return torch.cat(list(TrainedDecoder(code, BATCHES).prepare(_answers()).estimates(0.0)))


@pytest.mark.parametrize("at_once", [1, GROUPS * QUERIES * OUTPUTS, 3 * GROUPS * QUERIES * OUTPUTS, 2**24])
@pytest.mark.parametrize("make", [_parity, _learned])
def test_it_decodes_as_the_code_does(make: type, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "_AT_ONCE", at_once)
    code, answers = make(), _answers()
    expected = [
        torch.stack([code.decode(group[arrived], arrived) for group in answers])
        for batch in BATCHES
        for arrived in batch
    ]
    # Products of five numbers of size 1 in float32, summed in an order that may depend on how many there are.
    torch.testing.assert_close(_found(code), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_equal_masks_are_decoded_once() -> None:
    code = _learned()
    _found(code)
    assert isinstance(code.decoder, Counted)
    assert code.decoder.calls == 1 + 3 + 3


def test_what_it_needs_at_once_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "_AT_ONCE", 2 * GROUPS * QUERIES * OUTPUTS)
    parts = list(TrainedDecoder(_parity(), BATCHES).prepare(_answers()).estimates(0.0))
    assert [len(part) for part in parts] == [2, 2, 2, 1, 2, 2]


def test_every_answer_counts_as_a_degree_of_freedom() -> None:
    decoder = TrainedDecoder(_parity(), BATCHES)
    assert decoder.df(0.0).tolist() == [5.0] * 2 + [4.0] * 5 + [3.0] * 4


def test_there_is_no_parameter_to_search() -> None:
    answers = _answers()
    truth = Truth.of(
        answers[:, :QUERIES], torch.zeros(GROUPS, QUERIES, dtype=torch.int64), decode_space="logits-softmax"
    )
    decoding = TrainedDecoder(_parity(), BATCHES).prepare(answers)
    assert decoding.error_curve(truth) is None
    for near, far in zip(decoding.estimates(0.0), decoding.estimates(1.0), strict=True):
        assert torch.equal(near, far)

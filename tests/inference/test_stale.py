from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nercc_tune.errors import WorkloadError
from nercc_tune.inference.stale import find_stale, stale_network, stale_networks
from nercc_tune.records import ErrorKind
from nercc_tune.workloads.program import load_program
from tests.fakes import tiny_spec

QUERIES = torch.arange(12.0).view(2, 6)
ERRORS = (
    "code={ queries = 3, workers = 12, stragglers = [2] }",
    "search.strategy=profile",
    "errors.count=1",
    'errors.kinds=["stale-0.1", "nan", "stale-2"]',
)


def _build() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 400), nn.BatchNorm1d(400), nn.Linear(400, 3), nn.PReLU())
    return model.eval()


def _exported(folder: Path) -> nn.Module:
    dynamic = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(_build(), (QUERIES,), dynamic_shapes=dynamic), folder / "model.pt2")
    return load_program(folder / "model.pt2")


def _scripted(folder: Path) -> nn.Module:
    torch.jit.script(_build()).save(str(folder / "model.pt"))
    return load_program(folder / "model.pt")


def _frozen(folder: Path) -> nn.Module:
    torch.jit.freeze(torch.jit.script(_build())).save(str(folder / "model.pt"))
    return load_program(folder / "model.pt")


@torch.inference_mode()
def _answers(network: nn.Module) -> Tensor:
    answers: Tensor = network(QUERIES)
    return answers


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_every_tensor_is_off_by_a_share_of_its_own_deviation(scale: float) -> None:
    model = _build()
    stale = dict(stale_network(model, scale, seed=1).named_parameters())
    for name, parameter in model.named_parameters():
        off = (stale[name] - parameter).detach()
        if name in ("2.weight", "2.bias", "4.weight"):  # ones, zeros, and a single one
            assert not off.any()
        else:
            assert off.ndim == parameter.ndim
            assert off.all()
    for name in ("1.weight", "3.weight"):
        weights = model.get_parameter(name).detach()
        off = (stale[name].detach() - weights).flatten() / (scale * weights.std())
        assert float(off.std()) == pytest.approx(1, abs=0.11)  # five standard errors of 1200
        assert float(off.mean()) == pytest.approx(0, abs=0.15)
        assert abs(float(torch.corrcoef(torch.stack([off, weights.flatten()]))[0, 1])) < 0.15


def test_the_model_and_its_buffers_stay_as_they_are() -> None:
    model = _build()
    before = copy.deepcopy(model.state_dict())
    stale = stale_network(model, 1.0, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in stale.named_buffers())
    assert len(list(stale.buffers())) == 3


def test_stale_weights_are_those_of_the_seed_and_off_in_one_direction() -> None:
    model = _build()
    first, same, other = (_answers(stale_network(model, 0.1, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    near, far = (stale_network(model, scale, seed=0).get_parameter("1.weight") for scale in (0.1, 0.2))
    plain = model.get_parameter("1.weight")
    torch.testing.assert_close(2 * (near - plain), far - plain, rtol=1e-3, atol=1e-6)  # of float32 weights
    assert torch.equal(_answers(stale_network(model, 0.0, seed=0)), _answers(model))


def test_weights_of_half_precision_keep_it() -> None:
    stale = stale_network(_build().to(torch.bfloat16), 0.1, seed=0)
    assert {parameter.dtype for parameter in stale.parameters()} == {torch.bfloat16}


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # the test writes what users still have
@pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning")  # of torch 2.9 itself, at `.pt2`
@pytest.mark.parametrize("load", [_exported, _scripted])
def test_programs_have_weights_that_can_be_off(load: Callable[[Path], nn.Module], tmp_path: Path) -> None:
    program, model = load(tmp_path), _build()
    for _ in range(3):  # TorchScript compiles what it has seen twice
        _answers(program)
    stale = stale_network(program, 0.5, seed=0)
    for _ in range(3):
        torch.testing.assert_close(_answers(stale), _answers(stale_network(model, 0.5, seed=0)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(_answers(program), _answers(model))


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit.script:FutureWarning")
def test_a_frozen_program_has_no_stale_weights(tmp_path: Path) -> None:
    program = _frozen(tmp_path)
    with pytest.raises(
        WorkloadError, match=r"^stale weights need a model whose parameters can be changed, .* frozen\.$"
    ):
        stale_network(program, 0.1, seed=0)


def test_a_model_of_equal_weights_has_no_stale_ones() -> None:
    with pytest.raises(WorkloadError, match="stale weights need a model whose parameters can be changed"):
        stale_network(nn.BatchNorm1d(4), 0.1, seed=0)


def test_a_study_has_a_network_for_each_of_its_stale_kinds() -> None:
    model = _build()
    networks = stale_networks(tiny_spec(*ERRORS, "evaluation.seed=7"), model)
    assert list(networks) == ["stale-0.1#7", "stale-2#7"]
    assert torch.equal(_answers(networks["stale-2#7"]), _answers(stale_network(model, 2.0, seed=7)))
    assert stale_networks(tiny_spec(), nn.Flatten()) == {}


def test_the_network_of_a_kind_is_found_by_its_label() -> None:
    networks = ("base", "stale-0.1#7", "stale-0.12#7")
    assert find_stale(ErrorKind.of("stale-0.12"), networks) == "stale-0.12#7"
    assert find_stale(ErrorKind.of("stale"), networks) == "stale-0.1#7"
    with pytest.raises(ValueError, match=r"`kind` must be one whose network is run here, but got 'stale-2'\."):
        find_stale(ErrorKind.of("stale-2"), networks)

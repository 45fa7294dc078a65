"""Coded forward passes: encode on the device, run the model in chunks that fit, leave the outputs there."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from nercc_tune.coding import BASE, TrainedCode
from nercc_tune.errors import OutputError
from nercc_tune.inference.compiling import compile_network
from nercc_tune.inference.device import matmul_precision, room_on
from nercc_tune.records.timings import Timings

# Numbers in one chunk of coded queries: large enough to keep the device busy, small enough for the caches of a CPU.
# On a GPU the first chunk may turn out too large; it is then halved until it fits.
_CHUNK_NUMBERS = {"cpu": 2**21, "cuda": 2**26}
_LARGEST_CHUNK = 8192


class ForwardEngine:
    """Runs networks on coded queries of many groups.

    Args:
        model: What is served, which workers run unless their code names another network.
        device: Where.
        precision: `fp32`, `tf32` or `bf16`.
        chunk: As the attribute; None for what suits the device.
        networks: Other networks that workers may run, by name; they give as many outputs as the model.
        is_compiled: Whether torch compiles the networks, at their first batch.

    Attributes:
        chunk: Queries in one call of the model; halved for good when the device runs out of memory.
        images: Coded queries run so far.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        device: torch.device,
        precision: str = "fp32",
        chunk: int | None = None,
        networks: Mapping[str, nn.Module] | None = None,
        is_compiled: bool = False,
    ) -> None:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._networks = {
            name: copy.deepcopy(network).to(device=device, dtype=dtype).eval()
            for name, network in {**(networks or {}), BASE: model}.items()
        }
        self._asked: dict[str, Callable[[Tensor], object]] = {
            name: compile_network(network) if is_compiled else network for name, network in self._networks.items()
        }
        self._dtype = dtype
        self._precision = precision
        self.device = device
        self.chunk = chunk
        self.images = 0

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of the networks that workers may run."""
        return tuple(self._networks)

    def run(
        self, groups: Tensor, encoder: Tensor, timings: Timings, *, networks: Sequence[str] | None = None
    ) -> Tensor:
        """Return the workers' answers.

        Args:
            groups: [G, K, …] float32, the queries, on the CPU or on the device.
            encoder: [N, K] float64, or [G, N, K] with one for each group.
            timings: Gets the seconds of `encode` and `forward`.
            networks: The name of the network that each of the N workers runs; None where all run the model.

        Returns:
            [G, N, c] float32 on the device.

        Raises:
            OutputError: If a network does not return one row of numbers a query, or a single query does not fit.
        """
        if networks is None or set(networks) == {BASE}:
            return self._run(BASE, groups, encoder, timings)
        parts: list[Tensor] = []
        workers: list[int] = []
        for name in dict.fromkeys(networks):
            own = [worker for worker, network in enumerate(networks) if network == name]
            parts.append(self._run(name, groups, encoder[..., own, :], timings))
            workers += own
        return torch.cat(parts, 1)[:, torch.tensor(workers).argsort()]

    def run_parities(self, groups: Tensor, code: TrainedCode, timings: Timings) -> Tensor:
        """Return what the parity workers of a trained code answer, [G, R, c] float32 on the device.

        Args:
            groups: [G, K, …] float32, the queries, on the CPU or on the device.
            code: Its networks are copied to the device.
            timings: Gets the seconds of `encode` and `forward`.

        Raises:
            OutputError: As for `run`.
        """
        mixer = self._placed(code.mixer)
        networks: list[Callable[[Tensor], object]]
        networks = [self._placed(network) for network in code.parity_networks] or [self._asked[BASE]] * code.parities
        together = max(1, self._chunk_of(groups[0, 0].numel()) // code.queries)
        answers: list[Tensor] = []
        with torch.inference_mode(), matmul_precision(self._precision):
            for part in groups.split(together):
                with timings.measure("encode"):
                    mixed = mixer(self._to_device(part).to(self._dtype))
                with timings.measure("forward"):
                    each = [self._forward(network, mixed[:, at]) for at, network in enumerate(networks)]
                    answers.append(torch.stack(each, 1))
            with timings.measure("forward"):
                outputs = torch.cat(answers)
                self._wait()
        self.images += len(groups) * code.parities
        return outputs

    def _placed(self, network: nn.Module) -> nn.Module:
        """Return a network of its own on the device."""
        return copy.deepcopy(network).to(device=self.device, dtype=self._dtype).eval()

    def warm_up(self, shape: Sequence[int], *, queries: int, workers: int, timings: Timings) -> None:
        """Run every network once on queries of zeros, so that no later pass waits for what is made at the first.

        A GPU runs a batch as large as later ones are, which finds the chunk that fits; the CPU two queries.

        Args:
            shape: Of one query.
            queries: K.
            workers: N.
            timings: Gets the seconds of `warm-up`.

        Raises:
            OutputError: As for `run`.
            WorkloadError: If a network is to be compiled and cannot be.
        """
        images, rows = self.images, workers if self.device.type == "cuda" else min(workers, 2)
        groups = max(1, self._chunk_of(math.prod(shape)) // workers) if self.device.type == "cuda" else 1
        plain, nothing = torch.zeros(groups, queries, *shape), torch.zeros(rows, queries, dtype=torch.float64)
        with timings.measure("warm-up"):
            for network in self._networks:
                self._run(network, plain, nothing, Timings())
        self.images = images

    def resident(self, queries: Tensor) -> Tensor:
        """Return queries on the device where it has room for them, else as they are."""
        return queries.to(self.device) if queries.nbytes <= room_on(self.device) else queries

    def _run(self, network: str, groups: Tensor, encoder: Tensor, timings: Timings) -> Tensor:
        matrix = encoder.to(device=self.device, dtype=torch.float32)
        answers: list[Tensor] = []
        with torch.inference_mode(), matmul_precision(self._precision):
            for batch in self._chunks(groups, matrix, timings):
                with timings.measure("forward"):
                    answers.append(self._forward(self._asked[network], batch))
            with timings.measure("forward"):
                outputs = torch.cat(answers)
                self._wait()
        self.images += len(groups) * encoder.shape[-2]
        return outputs.reshape(len(groups), encoder.shape[-2], -1)

    def _chunks(self, groups: Tensor, matrix: Tensor, timings: Timings) -> Iterator[Tensor]:
        """Yield the coded queries of all groups in order, in batches of about `chunk`."""
        chunk = self._chunk_of(groups[0, 0].numel())
        together = max(1, chunk // matrix.shape[-2])
        for start in range(0, len(groups), together):
            part = groups[start : start + together]
            own = matrix[start : start + together] if matrix.ndim > 2 else matrix
            with timings.measure("encode"):
                queries = self._to_device(part)
                coded = (own @ queries.flatten(2)).reshape(-1, *part.shape[2:]).to(self._dtype)
            yield from coded.split(chunk)

    def _chunk_of(self, numbers: int) -> int:
        """Return how many coded queries of so many numbers each are run at once."""
        return self.chunk or max(1, min(_LARGEST_CHUNK, _CHUNK_NUMBERS.get(self.device.type, 2**21) // numbers))

    def _to_device(self, queries: Tensor) -> Tensor:
        if self.device.type == "cuda" and queries.device.type == "cpu":
            return queries.pin_memory().to(self.device, non_blocking=True)
        return queries.to(self.device)

    def _wait(self) -> None:
        """Wait until the device has done what it was given, so that its time counts where it belongs."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _forward(self, network: Callable[[Tensor], object], batch: Tensor) -> Tensor:
        """Run a network on a batch, in halves for as long as the device runs out of memory."""
        size = min(len(batch), self.chunk or len(batch))
        while True:
            try:
                return torch.cat([self._answers(network, piece) for piece in batch.split(size)])
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise OutputError(f"one query does not fit into the memory of {self.device}.") from error
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            size = -(-size // 2)
            self.chunk = size

    def _answers(self, network: Callable[[Tensor], object], batch: Tensor) -> Tensor:
        answers = network(batch)
        if not isinstance(answers, Tensor) or answers.ndim != 2 or len(answers) != len(batch):
            got = f"shape {tuple(answers.shape)}" if isinstance(answers, Tensor) else type(answers).__name__
            raise OutputError(f"the model must return one row for each of {len(batch)} queries, but got {got}.")
        return answers.to(torch.float32)

"""The draws of a study: its tuning half or its held-out half, ready to evaluate any code in any cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nercc_tune.coding import NodeSet
from nercc_tune.inference.evaluation import CellEvaluator
from nercc_tune.inference.forward import ForwardEngine
from nercc_tune.inference.groups import load_groups
from nercc_tune.inference.metrics import Truth
from nercc_tune.inference.outputs import WorkerOutputs
from nercc_tune.inference.store import OutputStore
from nercc_tune.inference.stragglers import exactly
from nercc_tune.spec import StudySpec
from nercc_tune.timings import Timings
from nercc_tune.workloads import Workload


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Groups with their uncoded outputs, and an evaluator on fixed masks for every straggler count."""

    outputs: WorkerOutputs
    truth: Truth
    evaluators: Mapping[int, CellEvaluator]

    @property
    def uncoded_accuracy(self) -> float:
        """Accuracy of the model on the plain queries."""
        return float(self.truth.accuracy.mean())


@dataclass(frozen=True, kw_only=True, eq=False)
class Inference:
    """What runs the model for both halves of a study."""

    spec: StudySpec
    workload: Workload
    nodes: NodeSet
    engine: ForwardEngine
    store: OutputStore
    timings: Timings

    def draw(self, indices: tuple[tuple[int, ...], ...], *, masks: int, stream: int) -> Draws:
        """Load groups, run the plain queries, and draw masks from a numbered stream of the evaluation seed.

        Raises:
            OutputError: If the model's outputs on the plain queries are not finite.
        """
        with self.timings.measure("data"):
            groups = load_groups(self.workload, indices, precision=self.spec.workload.precision)
        outputs = WorkerOutputs(groups, engine=self.engine, store=self.store, timings=self.timings)
        truth = Truth.of(outputs.uncoded(), groups.labels, decode_space=self.spec.code.decode_space)
        seed = int(np.random.SeedSequence([self.spec.evaluation.seed, stream]).generate_state(1)[0])
        workers = self.spec.code.workers
        evaluators = {
            stragglers: CellEvaluator(
                self.nodes,
                exactly(stragglers, workers=workers, masks=masks, seed=seed),
                outputs=outputs,
                truth=truth,
                timings=self.timings,
            )
            for stragglers in self.spec.code.stragglers
        }
        return Draws(outputs=outputs, truth=truth, evaluators=evaluators)

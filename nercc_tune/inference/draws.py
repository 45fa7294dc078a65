"""The draws of a study: one of its parts, ready to evaluate any code in any cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from nercc_tune.coding import GroupCode, LinearCode, NodeSet, Placement
from nercc_tune.inference.calibration import Calibration
from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.inference.drawn_groups import DrawnGroups
from nercc_tune.inference.evaluation import CellEvaluator
from nercc_tune.inference.forward import ForwardEngine
from nercc_tune.inference.groups import Split, load_groups
from nercc_tune.inference.layout import Features
from nercc_tune.inference.lies import CellLies
from nercc_tune.inference.mask_checks import masks_of, seed_of
from nercc_tune.inference.masks import MaskSource
from nercc_tune.inference.outputs import WorkerOutputs
from nercc_tune.inference.plausibility import describe_implausible
from nercc_tune.inference.store import OutputStore, tensor_key
from nercc_tune.inference.trained_codes import TrainedCodes
from nercc_tune.inference.wrong_answers import CellErrors
from nercc_tune.records import Design, WorkloadInfo
from nercc_tune.records.timings import Timings
from nercc_tune.spec import StudySpec
from nercc_tune.straggling import Part
from nercc_tune.workloads import Workload


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Groups with their uncoded outputs, and an evaluator on fixed masks for every straggler count.

    Attributes:
        calibration: What is measured of the tuning groups for decoders.
    """

    groups: DrawnGroups
    evaluators: Mapping[int, CellEvaluator]
    calibration: Calibration
    uncoded_accuracy: float

    @property
    def outputs(self) -> WorkerOutputs:
        """The workers' answers for any encoder."""
        return self.groups.outputs


@dataclass(frozen=True, kw_only=True, eq=False)
class Inference:
    """What runs the model for all parts of a study.

    Attributes:
        split: The queries of each part.
        features: What orderings and fitted nodes measure distances by, in place of the pooled queries.
        trained: Gives the codes of a study that trains them.
    """

    spec: StudySpec
    workload: Workload
    split: Split
    masks: MaskSource
    engine: ForwardEngine
    store: OutputStore
    timings: Timings
    features: Features | None = None
    trained: TrainedCodes | None = None

    def check_queries(self) -> tuple[str, ...]:
        """Look once at every query that a study takes, and return what a reader should know of those of its parts.

        Raises:
            WorkloadError: If one cannot be loaded, which would else be found when its part is drawn, or there are too
                few to train with.
        """
        if self.trained is not None:
            self.trained.check_queries()
        with self.timings.measure("data"):
            return self.workload.data.check(self.split.indices)

    def draw(self, part: Part, *, tuning: Draws | None = None) -> Draws:
        """Load the groups of a part, run the plain queries, and draw the masks of every cell.

        Args:
            part: Which.
            tuning: The tuning draws, on which decoders are calibrated; None where these are the ones that are drawn.

        Raises:
            OutputError: If the model's outputs on the plain queries are not finite.
            TraceError: If a trace has too few iterations.
        """
        spec, timings = self.spec, self.timings
        arrivals = self.masks.draw(part, masks=masks_of(spec, part))
        with timings.measure("data"):
            groups = load_groups(self.workload, self.split.of(part), precision=spec.workload.precision)
        is_pruned = part == "tuning" and spec.search.pruner != "none" and spec.code.trained_kind is None
        outputs = WorkerOutputs(
            groups,
            engine=self.engine,
            store=self.store,
            timings=timings,
            blocks=spec.search.blocks if is_pruned else 1,
        )
        drawn = DrawnGroups(
            outputs,
            reference=spec.reference,
            workers=spec.code.workers,
            features=self.features,
            timings=timings,
            trained=self.trained,
        )
        accuracy = float(drawn.truth(spec.reference, spec.reference.decode_space).accuracy.mean())
        calibration = Calibration(drawn) if tuning is None else tuning.calibration
        liars = self.masks.liars(part, arrivals)
        lies_seed = seed_of(spec, part, drawn="lies")
        errors = {
            stragglers: CellErrors.of(
                CellLies(lying, kinds=spec.errors.each, seed=lies_seed),
                distrusts=spec.distrusts,
                margin=spec.errors.margin,
            )
            for stragglers, lying in liars.items()
        }
        evaluators = {
            cell.stragglers: CellEvaluator(
                cell,
                CellMasks(arrivals[cell.stragglers], errors.get(cell.stragglers)),
                drawn=drawn,
                calibration=calibration,
                goal=spec.search.goal,
                grid=spec.decoder_grid,
            )
            for cell in self.masks.cells
        }
        return Draws(groups=drawn, evaluators=evaluators, calibration=calibration, uncoded_accuracy=accuracy)

    def encode(self, queries: Tensor, build: Callable[[NodeSet], LinearCode], design: Design) -> Tensor:
        """Return what the workers of a code get for one group of queries [K, …], in the order of their numbers."""
        workers = self.spec.code.workers
        code = GroupCode(build, queries=len(queries), workers=workers, placement=Placement.of(design))
        return code.on(queries, features=self.features).encode(queries)

    def workload_info(self, tuning: Draws) -> WorkloadInfo:
        """Return what a reader needs to know of the workload.

        The fingerprint covers the features that order the queries too, by their name, where some are given.
        """
        workload, fingerprint = self.workload, self.workload.fingerprint
        groups, plain = tuning.outputs.groups, tuning.outputs.uncoded().cpu()
        if self.features is not None:
            names = (getattr(self.features, name, "") for name in ("__module__", "__qualname__"))
            fingerprint = tensor_key(fingerprint, *names)
        return WorkloadInfo(
            model=workload.model_name,
            data=workload.data_name,
            fingerprint=fingerprint,
            weights_source=workload.weights_source,
            query_shape=workload.query_shape,
            outputs=workload.outputs,
            uncoded_accuracy=tuning.uncoded_accuracy,
            output_kind=workload.output_kind,
            warning=describe_implausible(
                workload, groups.queries.flatten(0, 1), plain.flatten(0, 1), groups.labels.flatten()
            ),
        )

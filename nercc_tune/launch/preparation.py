"""What every process of a study makes ready: the workload, its queries, and what runs the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from nercc_tune.home import Home
from nercc_tune.inference import (
    Features,
    ForwardEngine,
    Inference,
    MaskSource,
    OutputStore,
    Split,
    check_designs,
    check_size,
    open_files,
    resolve_device,
    room_on,
    split_queries,
    stale_networks,
)
from nercc_tune.records.timings import Timings
from nercc_tune.spec import StudySpec
from nercc_tune.training import CodeTrainer, check_mixers
from nercc_tune.workloads import Workload, load_training_queries, load_workload


@dataclass(frozen=True, kw_only=True, eq=False)
class Preparation:
    """How a study is run in this process.

    Attributes:
        features: Takes the queries [K, …] of a group to features [K, d] by whose distances queries are ordered and
            spaced; by default the queries themselves, pooled.
        allow_code: Whether the study file may name Python code.
        notify: Called with a line when a step begins that takes time.
        notice: Called with a line about what was found in the files, and in the trace; by default as `notify`.
        progress: Called while networks are trained, with the steps that are done, those there are, and a text.
        timings: Get the seconds of each stage.
    """

    spec: StudySpec
    home: Home
    features: Features | None = None
    allow_code: bool = False
    notify: Callable[[str], None] = lambda _: None
    notice: Callable[[str], None] | None = None
    progress: Callable[[int, int, str], None] = lambda _done, _total, _text: None
    timings: Timings = field(default_factory=Timings)

    def check(self) -> None:
        """Check what can be checked without loading or writing anything.

        Raises:
            NerccTuneError: If something of the study cannot be used here.
        """
        self.home.check_writable()
        check_designs(self.spec)
        check_mixers(self.spec)
        for note in self._masks.notices:
            self._tell(note)
        resolve_device(self.spec.workload.device)

    @cached_property
    def _masks(self) -> MaskSource:
        """The masks of all parts; a trace may take seconds to read."""
        return MaskSource.of(self.spec, self.home.data)

    @property
    def _tell(self) -> Callable[[str], None]:
        return self.notice or self.notify

    def load(self) -> Inference:
        """Load the workload; a small model may have to be trained first.

        Raises:
            NerccTuneError: If the model or the data cannot be used.
        """
        spec, home, timings = self.spec, self.home, self.timings
        self.notify(f"loading {spec.workload.model} on {spec.workload.data}")
        with timings.measure("data"):
            workload = load_workload(
                spec.workload,
                home=home.root,
                data_dir=home.data,
                notify=self._tell,
                check_size=partial(check_size, spec),
                allow_code=self.allow_code,
            )
        place, device = spec.cache.url or home.outputs, resolve_device(spec.workload.device)
        engine = ForwardEngine(
            workload.model,
            device=device,
            precision=spec.workload.precision,
            chunk=spec.workload.chunk,
            networks=stale_networks(spec, workload.model),
            is_compiled=spec.workload.compile,
        )
        split = split_queries(spec, len(workload.data))
        self._warm_up(engine, workload, timings)
        memory_mb = spec.cache.memory_mb
        store = OutputStore(
            place if spec.cache.disk else None,
            memory_mb=memory_mb,
            device_mb=min(memory_mb, room_on(device) // 2**20),
        )
        return Inference(
            spec=spec,
            workload=workload,
            split=split,
            masks=self._masks,
            engine=engine,
            store=store,
            timings=timings,
            features=self.features,
            trained=self._trainer(workload, split, store),
        )

    def _trainer(self, workload: Workload, split: Split, store: OutputStore) -> CodeTrainer | None:
        """Return what trains the codes of a study that has some."""
        spec, home = self.spec, self.home
        if spec.code.trained_kind is None:
            return None
        unused = sorted(set(range(len(workload.data))) - set(split.indices))
        trainer = CodeTrainer(
            spec=spec,
            workload=workload,
            load=lambda: load_training_queries(
                spec.workload, workload, data_dir=home.data, unused=unused, notify=self.notify
            ),
            device=resolve_device(spec.workload.device),
            files=open_files(f"{spec.cache.url}/networks" if spec.cache.url else home.networks, what="networks"),
            store=store,
            timings=self.timings,
            progress=self.progress,
        )
        trainer.check()
        return trainer

    def load_beside(self, other: Inference) -> Inference:
        """Return what `load` would, on the workload, the engine and the kept outputs of a study of the same family."""
        split = split_queries(self.spec, len(other.workload.data))
        return replace(
            other,
            spec=self.spec,
            split=split,
            masks=self._masks,
            timings=self.timings,
            trained=self._trainer(other.workload, split, other.store),
        )

    def _warm_up(self, engine: ForwardEngine, workload: Workload, timings: Timings) -> None:
        code, is_compiled = self.spec.code, self.spec.workload.compile
        if is_compiled:
            self.notify(f"compiling {workload.model_name}")
        engine.warm_up(workload.query_shape, queries=code.queries, workers=code.workers, timings=timings)

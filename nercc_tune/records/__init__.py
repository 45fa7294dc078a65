"""The frozen values that pass between the stages, each with an exact JSON round trip.

```
StudyHistory                 all that is known of a study, read from Optuna's storage
├── WorkloadInfo             what was served
├── CellHistory …            one straggler count, or a range of them
│   ├── Cell
│   ├── Score …              the baselines on the tuning draws
│   ├── TrialRecord …        the proposals, each with its Design and its Score
│   └── TunedEntry           the chosen pair, judged on held-out draws
└── Policy                   one encoder for all that may arrive
```
What is chosen beside λ is a `Design`, what is optimised a `Goal`.
"""

from nercc_tune.records.availability import LATE_SHARES, TOLD_SHARE, Availability, OverallPoint
from nercc_tune.records.choices import (
    DECODE_SPACES,
    DECODERS,
    DEGREES,
    NODE_DECODERS,
    SMOOTHNESSES,
    DecoderKind,
    DecodeSpace,
    Design,
    Distrusting,
    Encoding,
    Kernel,
    NodeDecoderKind,
    OutputKind,
    Parameter,
    Reading,
    Trusting,
    decoded_fields,
    is_screening,
    kernel_of,
    smoothing_of,
    trusting_of,
)
from nercc_tune.records.goals import Goal, Metric
from nercc_tune.records.histories import CellHistory, Provenance, SmoothedCode, StudyHistory, WorkloadInfo
from nercc_tune.records.intervals import Interval
from nercc_tune.records.results import (
    BASELINES,
    CODE_NAMES,
    DEFAULT_PREDICTION,
    ERROR_BASELINES,
    RIVALS,
    Candidate,
    FrontPoint,
    Heldout,
    Policy,
    PolicyEntry,
    SinglePair,
    TunedEntry,
)
from nercc_tune.records.strict_json import Strict, from_json, to_json
from nercc_tune.records.surfaces import MEASURES, Axis, Measure, Profile, Surface
from nercc_tune.records.trainings import (
    LOSSES,
    MIXER_NAMES,
    Augmentation,
    Epoch,
    Initialisation,
    Loss,
    MixerName,
    Schedule,
    Target,
    TrainedKind,
    Training,
    TrainingPrecision,
)
from nercc_tune.records.trials import Cell, Option, Score, TrialRecord
from nercc_tune.records.wrong_answers import (
    DEFAULT_DISTRUSTS,
    DISTRUSTS,
    ERROR_KINDS,
    LOCATORS,
    Detection,
    Distrust,
    DistrustKind,
    ErrorKind,
    WrongAnswers,
)

__all__ = [
    "BASELINES",
    "CODE_NAMES",
    "DECODERS",
    "DECODE_SPACES",
    "DEFAULT_DISTRUSTS",
    "DEFAULT_PREDICTION",
    "DEGREES",
    "DISTRUSTS",
    "ERROR_BASELINES",
    "ERROR_KINDS",
    "LATE_SHARES",
    "LOCATORS",
    "LOSSES",
    "MEASURES",
    "MIXER_NAMES",
    "NODE_DECODERS",
    "RIVALS",
    "SMOOTHNESSES",
    "TOLD_SHARE",
    "Augmentation",
    "Availability",
    "Axis",
    "Candidate",
    "Cell",
    "CellHistory",
    "DecodeSpace",
    "DecoderKind",
    "Design",
    "Detection",
    "Distrust",
    "DistrustKind",
    "Distrusting",
    "Encoding",
    "Epoch",
    "ErrorKind",
    "FrontPoint",
    "Goal",
    "Heldout",
    "Initialisation",
    "Interval",
    "Kernel",
    "Loss",
    "Measure",
    "Metric",
    "MixerName",
    "NodeDecoderKind",
    "Option",
    "OutputKind",
    "OverallPoint",
    "Parameter",
    "Policy",
    "PolicyEntry",
    "Profile",
    "Provenance",
    "Reading",
    "Schedule",
    "Score",
    "SinglePair",
    "SmoothedCode",
    "Strict",
    "StudyHistory",
    "Surface",
    "Target",
    "TrainedKind",
    "Training",
    "TrainingPrecision",
    "TrialRecord",
    "Trusting",
    "TunedEntry",
    "WorkloadInfo",
    "WrongAnswers",
    "decoded_fields",
    "from_json",
    "is_screening",
    "kernel_of",
    "smoothing_of",
    "to_json",
    "trusting_of",
]

"""The errors a caller may catch.

```
NerccTuneError
├── SpecError          a study file or an override that cannot be meant
├── WorkloadError      a model or a data set that cannot be used
│   └── DataMissingError   …because its files are not there
├── TraceError         a trace of latencies that cannot be used
├── OutputError        model outputs that are not finite or of the wrong shape
├── HomeError          a home directory that belongs to something else
├── StorageError       Optuna's storage cannot be reached or read
├── CrewError          search workers cannot be started or kept running
├── DashboardError     the web pages cannot be served
├── TrackingError      the MLflow tracking store cannot be reached or read
├── PromotionError     a code that must not be deployed, or nothing to return to
├── ServiceError       a running service cannot answer
│   ├── OverloadError      …since so many queries wait that no more are taken
│   ├── NoAnswerError      …since too few workers gave an answer, or not in time
│   └── WorkerLostError    …since a worker died with its task, or cannot be reached
└── TableError         a table that cannot be trusted or served from
```

A wrong argument to a function is a plain `ValueError`. Each message says what is wrong and how to mend it, in one line.
"""

from __future__ import annotations

__all__ = [
    "CrewError",
    "DashboardError",
    "DataMissingError",
    "HomeError",
    "NerccTuneError",
    "NoAnswerError",
    "OutputError",
    "OverloadError",
    "PromotionError",
    "ServiceError",
    "SpecError",
    "StorageError",
    "TableError",
    "TraceError",
    "TrackingError",
    "WorkerLostError",
    "WorkloadError",
]


class NerccTuneError(Exception):
    """The root of all errors that nercc_tune raises for a caller to catch."""


class SpecError(NerccTuneError):
    """A study file or an override cannot be meant."""


class WorkloadError(NerccTuneError):
    """A model or a data set cannot be used."""


class DataMissingError(WorkloadError):
    """A data set or a weights file is not where it should be."""


class TraceError(NerccTuneError):
    """A trace of latencies cannot be read, or is not what is asked of it."""


class OutputError(NerccTuneError):
    """Model outputs are not finite or not of the expected shape."""


class HomeError(NerccTuneError):
    """The home directory holds something that this study must not overwrite."""


class StorageError(NerccTuneError):
    """Optuna's storage cannot be reached or read."""


class CrewError(NerccTuneError):
    """Search workers cannot be started, or die again and again."""


class DashboardError(NerccTuneError):
    """The web pages cannot be served: a port is taken, a package is missing, or a server ended."""


class TrackingError(NerccTuneError):
    """The MLflow tracking store cannot be reached or read."""


class PromotionError(NerccTuneError):
    """A code must not be deployed as it is, or there is none to return to."""


class ServiceError(NerccTuneError):
    """A running service cannot answer, or cannot be run."""


class OverloadError(ServiceError):
    """So many queries wait that no more are taken."""


class NoAnswerError(ServiceError):
    """A query stays without an answer: too few workers gave one, or not in time."""


class WorkerLostError(ServiceError):
    """A worker died with its task, or cannot be reached."""


class TableError(NerccTuneError):
    """A table cannot be trusted or served from."""

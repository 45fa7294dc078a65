"""The projection of a study into MLflow; the only place that knows MLflow.

Optuna's storage is the source of truth. What stands in MLflow is computed from a `StudyHistory` and can be rebuilt at
any time:

```
experiment <study>                     saved views of its runs, a note
├── run S=40                           a cell: the study's settings, the best so far, what the choice is worth
│   ├── run S=40 #0                    a trial: its λ pair and its score
│   └── run S=40 #1 …
└── run S=60 …
```

Every run carries the tag `nercc_tune.uid`, by which a second projection finds it and adds nothing twice. So a call that
fails, with or without having been carried out, is answered by looking what is there and adding the rest: by the
`BackgroundTracker` of a launch as long as it runs, and by `sync` ever after.

Importing `nercc_tune.tracking.background` or `.reachability` does not import MLflow, which takes seconds.
"""

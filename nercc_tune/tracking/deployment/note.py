"""The description of a registered version: a short page of markdown."""

from __future__ import annotations

from nercc_tune.export.blocks import UNDEFINED, write_error
from nercc_tune.export.table import TunedTable
from nercc_tune.records import CODE_NAMES, Distrusting, Heldout, Interval, Kernel, Parameter
from nercc_tune.tracking.deployment.deployed import DeployedCode

_LONGEST = 5000
"""Characters of a description in MLflow's database."""

_LOADING = """```python
code = mlflow.pyfunc.load_model("models:/{name}@champion")
coded = code.predict({{"queries": queries}})  # float32 [{queries}, {shape}] → [{workers}, {shape}]
received = {{"queries": queries, "answers": answers, "arrived": arrived}}  # float32 [F, {outputs}], int64 [F]
estimates = code.predict(received)  # [{queries}, {outputs}]
```"""

_SUSPECTS = """Answers that others contradict are distrusted. `code.predict(received, params={"return_suspects": True})`
says whose: it returns `estimates` and `suspects`, the numbers of the workers."""


def deployment_note(table: TunedTable, code: DeployedCode, *, name: str) -> str:
    """Return the pair, what it is worth on held-out draws, and how to load it."""
    judged = table.policy if code.stragglers is None else table.entry(code.stragglers)
    rows = [_row("**this code**", judged.heldout)]
    rows += [_row(CODE_NAMES[baseline], heldout) for baseline, heldout in judged.baselines.items()]
    differences = [
        f"- {write_difference(minus)} to {CODE_NAMES[baseline]}" for baseline, minus in judged.prob_mse_minus.items()
    ]
    loading = _LOADING.format(
        name=name,
        queries=code.queries,
        workers=code.workers,
        shape=", ".join(map(str, table.workload.query_shape)),
        outputs=table.workload.outputs,
    )
    given = _answers(table, is_in_logits=judged.design.is_in_logits)
    setting = (
        f"For K = {code.queries} queries on N = {code.workers} workers, {_whom(code)}: {code.model} on {code.data}; "
        f"code: {code.design}; the workers answer with {given}."
    )
    warning = table.workload.warning
    parts = [
        f"### λ_enc = {code.lambda_enc:.6g}, λ_dec = {write_decoding(code)}",
        setting,
        *([] if warning is None else [f"**Warning**: {warning}"]),
        loading,
        *([_SUSPECTS] if code.distrusts else []),
        "On queries and straggler masks that the tuning did not see, with 95 % intervals:",
        "\n".join(["| code | MSE in probabilities | RelAcc | agreement |", "|---|---|---|---|", *rows]),
        *(
            ["Paired difference in that MSE (negative: this code is better):", "\n".join(differences)]
            * bool(differences)
        ),
        f"Of the study `{code.study}`, table digest `{code.table_digest}`.",
    ]
    text = "\n\n".join(parts)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def write_difference(interval: Interval) -> str:
    """Write a difference, which may be far smaller than its interval, with three digits of each.

    >>> write_difference(Interval(mean=-0.0391, low=-0.065, high=-0.0214))
    '-0.0391 [-0.065, -0.0214]'
    """
    return f"{interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}]"


def write_decoding(code: DeployedCode, *, most: int = 20) -> str:
    """Write what the decoder is set to: the one, or by S for the policy, without the middle where they are many."""
    if code.stragglers is not None:
        return _written(code.parameters[code.stragglers], digits=6)
    each = [f"{_written(value, digits=3)} at S = {stragglers}" for stragglers, value in sorted(code.parameters.items())]
    return ", ".join(each if len(each) <= most else [*each[: most // 2], "…", *each[-most // 2 :]])


def _written(parameter: Parameter, *, digits: int) -> str:
    if isinstance(parameter, Distrusting):
        return f"{_written(parameter.trusting, digits=digits)} ({parameter.distrust.label})"
    return f"({parameter.label})" if isinstance(parameter, Kernel) else f"{parameter:.{digits}g}"


def _answers(table: TunedTable, *, is_in_logits: bool) -> str:
    """Return what the decoder takes from the workers; `logits` of a model that gives probabilities are logarithms."""
    if table.workload.output_kind == "probabilities":
        return "the logarithms of the model's probabilities" if is_in_logits else "the model's outputs, as they are"
    return "logits" if is_in_logits else "softmax outputs"


def _whom(code: DeployedCode) -> str:
    return "whoever straggles" if code.stragglers is None else f"of which {code.stragglers} straggle"


def _row(name: str, heldout: Heldout) -> str:
    figures = (heldout.prob_mse, heldout.rel_acc, heldout.agreement)
    written = (UNDEFINED if figure is None else write_error(figure) for figure in figures)
    return f"| {name} | {' | '.join(written)} |"

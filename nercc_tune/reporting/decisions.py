"""What a report says of the choice: what was sought, which candidates there were, and what to deploy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from nercc_tune.export.advice import Advice, advise
from nercc_tune.export.blocks import UNDEFINED, write_count, write_error
from nercc_tune.export.table import TunedTable
from nercc_tune.records import (
    CODE_NAMES,
    DEFAULT_DISTRUSTS,
    Candidate,
    CellHistory,
    Design,
    Distrusting,
    Goal,
    Kernel,
    Parameter,
    StudyHistory,
    TunedEntry,
)
from nercc_tune.reporting.markdown import plain, table_of, verbatim
from nercc_tune.spec.training_settings import CHOICES
from nercc_tune.text.units import NANOSECONDS

__all__ = [
    "candidates_section",
    "deployment_section",
    "describe_designs",
    "describe_errors",
    "describe_goal",
    "describe_straggling",
]

_METRICS = {
    "mse": "the least MSE in the decode space",
    "prob_mse": "the least MSE in probabilities",
    "agreement": "the highest agreement with the uncoded model",
    "rel_acc": "the highest RelAcc",
    "pareto": "the least MSE in probabilities and the highest RelAcc, both",
}
_LAWS = {
    "shifted-exponential": ("shift", "rate"),
    "pareto": ("scale", "shape"),
    "gamma": ("shape", "scale", "spread", "correlation"),
}
_SEARCHED = {
    "orderings": "ordering",
    "nodes": "nodes",
    "assignments": "assignment",
    "decode_spaces": "decode_space",
}


def describe_goal(goal: Goal) -> str:
    """Return what is optimised, with its floors."""
    floors = f", with {goal.floors} on the tuning and the validation draws" if goal.floors else ""
    return _METRICS[goal.metric] + floors


def describe_designs(spec: Mapping[str, Any]) -> str:
    """Return as Markdown what was searched, what was given, and what the baselines have where that is not the same."""
    code, search = spec.get("code", {}), spec.get("search", {})
    if code.get("kind", "nercc") != "nercc":
        return _describe_trainings(str(code["kind"]), spec.get("training", {}))
    own = {name: code.get(name) or getattr(Design(), name) for name in _SEARCHED.values()}
    lists = {name: search.get(plural) or [own[name]] for plural, name in _SEARCHED.items()}
    named = {name: f"{name.replace('_', ' ')} {plain(' or '.join(choices))}" for name, choices in lists.items()}
    searched = [text for name, text in named.items() if len(lists[name]) > 1]
    given = [text for name, text in named.items() if len(lists[name]) == 1]
    parts = [f"searched {', '.join(['λ_enc, λ_dec', *searched])}"]
    parts += [f"given {', '.join(given)}"] if given else []
    if any(choices != [own[name]] for name, choices in lists.items()):
        parts.append(f"baselines {plain(', '.join(own.values()))}")
    return "; ".join(parts)


def _describe_trainings(kind: str, training: Mapping[str, Any]) -> str:
    ranges = {name.replace("_", " "): training[name] for name in ("learning_rate", "weight_decay") if name in training}
    searched = [f"{name} {span['low']:g} to {span['high']:g}" for name, span in ranges.items()]
    lists = {name: [str(item) for item in training.get(name, [])] for name in ("mixers", *CHOICES)}
    searched += [f"{name} {plain(' or '.join(choices))}" for name, choices in lists.items() if len(choices) > 1]
    given = [f"{name} {plain(choices[0])}" for name, choices in lists.items() if len(choices) == 1]
    return f"{kind}; searched {', '.join(searched)}" + (f"; given {', '.join(given)}" if given else "")


def describe_straggling(spec: Mapping[str, Any]) -> str:
    """Return who straggles, in words as Markdown; what the study file leaves open is left out."""
    settings = spec.get("straggling", {})
    model = settings.get("model", "exactly")
    if model == "exactly":
        return "exactly S workers at random"
    if model == "bursts":
        return f"S workers in bursts of whole racks of {spec.get('code', {}).get('rack')} workers"
    if model == "worst":
        return f"the S workers with the longest run of neighbours, of {settings.get('sample', 20)} sampled sets"
    if model == "independent":
        return f"each worker with probability {settings.get('probability'):g}, whatever the others do"
    if model == "trace":
        source = f"measured latencies ({verbatim(PurePath(str(settings.get('path'))).name)})"
    else:
        law = settings.get("law", "shifted-exponential")
        values = ", ".join(f"{name} {settings[name]:g}" for name in _LAWS[law] if name in settings)
        source = f"{law} latencies" + (f" ({values})" if values else "")
    if settings.get("rule", "first") == "deadline":
        unit = f" {settings['unit']}" if settings.get("unit") in NANOSECONDS else ""
        return f"{source}, waiting until {settings.get('deadline'):g}{unit}"
    return f"{source}, waiting for the first N − S answers"


def describe_errors(spec: Mapping[str, Any]) -> str | None:
    """Return which answers are wrong and what finds them, in words as Markdown; None where all are right."""
    errors = spec.get("errors", {})
    if not errors.get("kinds"):
        return None
    count, probability = errors.get("count"), errors.get("probability")
    whose = "the same workers in" if errors.get("sticky") else "others in"
    many = f"each answer with probability {probability:g}" if count is None else f"{count} answers"
    found = spec.get("search", {}).get("distrusts") or DEFAULT_DISTRUSTS
    return f"{many}, {whose} every mask, in turn {plain(', '.join(errors['kinds']))}; found by {' or '.join(found)}"


def candidates_section(history: StudyHistory) -> list[str]:
    """Return the parts that show, for each judged cell, its best trials on the tuning and on fresh draws."""
    parts = [_candidates(cell, cell.entry) for cell in history.cells if cell.entry is not None]
    if not parts:
        return []
    metric = history.goal.error if history.goal.metric == "pareto" else history.goal.metric
    opening = (
        f"The best trials of each cell on the tuning draws, judged again on validation draws (`{metric}`); the best "
        "there is chosen, since the best on the tuning draws owes a part to chance."
    )
    return ["## Candidates", opening, *parts]


def deployment_section(table: TunedTable) -> list[str]:
    """Return the parts that say which code to deploy where, and whether one pair would do for all counts."""
    advices = advise(table)
    codes = list(dict.fromkeys(code for advice in advices for code in advice.heldout))
    head = ["S", *(CODE_NAMES[code] for code in codes), "deploy"]
    rows = [_advice_row(advice, codes) for advice in advices]
    return [
        "## Which code to deploy",
        "By the held-out MSE in probabilities, on the same N workers; **probably** where the intervals leave a doubt.",
        table_of(head, rows, left=1),
        *_floor_lines(table),
        _policy_line(table),
    ]


def _candidates(cell: CellHistory, entry: TunedEntry) -> str:
    chosen: set[int | None] = {
        trial.proposal
        for trial in cell.trials
        if (trial.design, trial.lambda_enc, trial.parameter) == (entry.design, entry.lambda_enc, entry.parameter)
    } or {None}
    rows = [_candidate_row(item, is_chosen=item.proposal in chosen) for item in entry.candidates]
    return f"**S = {write_count(cell.cell)}**\n\n" + table_of(["proposal", "tuning", "fresh", "verdict"], rows, left=1)


def _candidate_row(candidate: Candidate, *, is_chosen: bool) -> list[str]:
    notes = (["chosen"] if is_chosen else []) + ([] if candidate.is_feasible else ["misses a floor"])
    name = "replication" if candidate.proposal is None else str(candidate.proposal)
    return [name, f"{candidate.tuning:.4g}", f"{candidate.fresh:.4g}", ", ".join(notes)]


def _advice_row(advice: Advice, codes: Sequence[str]) -> list[str]:
    figures = [write_error(advice.heldout[code].prob_mse) if code in advice.heldout else UNDEFINED for code in codes]
    return [advice.count, *figures, ("" if advice.is_certain else "probably ") + CODE_NAMES[advice.best]]


def _floor_lines(table: TunedTable) -> list[str]:
    missed = [write_count(entry) for entry in table.entries if not entry.is_feasible]
    lines = [f"No candidate keeps the floors at S = {', '.join(missed)}; the nearest was chosen."] if missed else []
    return lines if table.policy.is_feasible else [*lines, "The policy misses a floor in at least one cell."]


def _policy_line(table: TunedTable) -> str:
    policy, error = table.policy, table.goal.error
    verdict = "is not surely better than"
    if policy.minus_single.high < 0:
        verdict = "is better than"
    elif policy.minus_single.low > 0:
        verdict = "is worse than"
    return (
        f"Where S is not known ahead, the policy (one encoder, a decoder for each S) {verdict} the best single pair "
        f"(λ_enc {policy.single.lambda_enc:.3g}, {_decoding(policy.single.parameter)}): expected error "
        f"{write_error(getattr(policy.heldout, error))} against {write_error(getattr(policy.single.heldout, error))}, "
        f"difference {write_error(policy.minus_single)}."
    )


def _decoding(parameter: Parameter) -> str:
    if isinstance(parameter, Distrusting):
        return f"{_decoding(parameter.trusting)}, {parameter.distrust.label}"
    return parameter.label if isinstance(parameter, Kernel) else f"λ_dec {parameter:.3g}"

"""What a launch found: its tables, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from nercc_tune.export.blocks import write_count
from nercc_tune.export.table import TunedTable
from nercc_tune.launch.result import LaunchResult
from nercc_tune.spec import Family, StudySpec
from nercc_tune.terminal.figures import show_change, show_interval, show_parameter, show_smoothing
from nercc_tune.text.redaction import masked

__all__ = ["closing_lines", "cost_lines", "family_closing_lines", "policy_lines", "table_of_results"]

_ERRORS = {"mse": "MSE", "prob_mse": "MSE (probabilities)"}


def table_of_results(table: TunedTable) -> Table:
    """Return the tuned table for the terminal, with 95 % intervals."""
    error = table.goal.error
    has_designs = any(entry.design != table.reference for entry in table.entries)
    has_waiting = any(entry.waiting is not None for entry in table.entries)
    shown = Table(title=f"{table.study}: tuned codes on held-out queries (95 % intervals)", title_justify="left")
    is_bare = all(entry.kernel is None and entry.distrust is None for entry in table.entries)
    decoding = "λ_dec" if is_bare else "decoder"
    code, wait = (["code"] if has_designs else []), ([table.wait] if has_waiting else [])
    for name in ("S", *wait, *code, "λ_enc", decoding, _ERRORS[error], "to BACC", "to (0, 0)", "RelAcc", "agreement"):
        is_wide = name in (
            "code",
            "decoder",
            _ERRORS[error],
            "to BACC",
            "to (0, 0)",
        )  # they give way in a narrow terminal
        shown.add_column(name, justify="left" if name == "code" else "right", no_wrap=not is_wide)
    for entry in table.entries:
        shown.add_row(
            write_count(entry),
            *([f"{entry.waiting:.3g}" if entry.waiting is not None else "–"] if has_waiting else []),
            *([entry.design.label] if has_designs else []),
            show_smoothing(entry.lambda_enc),
            show_parameter(entry.parameter),
            show_interval(getattr(entry.heldout, error)),
            show_change(entry.gains.get("bacc")),
            show_change(entry.gains.get("nercc_ag")),
            f"{entry.heldout.rel_acc.mean:.4f}" if entry.heldout.rel_acc else "–",
            f"{entry.heldout.agreement.mean:.4f}",
        )
    return shown


def policy_lines(table: TunedTable) -> str:
    """Return the policy in a line, and what it is worth beside the best single pair in another."""
    policy, error = table.policy, table.goal.error
    pairs = ", ".join(
        f"S={write_count(cell)}: {show_parameter(entry.parameter)}"
        for cell, entry in zip(table.entries, policy.entries, strict=True)
    )
    single = policy.single
    is_bare = policy.design.decoder == "spline" and all(entry.distrust is None for entry in policy.entries)
    by_count = "λ_dec by S" if is_bare else "decoded by S"
    return "\n".join(
        [
            f"policy: {policy.design.label}, λ_enc {show_smoothing(policy.lambda_enc)} for all, {by_count} ({pairs})",
            (
                f"expected over S: policy {show_interval(getattr(policy.heldout, error))}, best single pair "
                f"({show_smoothing(single.lambda_enc)}, {show_parameter(single.parameter)}) "
                f"{show_interval(getattr(single.heldout, error))}, difference {show_interval(policy.minus_single)}"
            ),
        ]
    )


def closing_lines(
    result: LaunchResult, spec: StudySpec, *, home: Path, wall: float, environment: Mapping[str, str]
) -> str:
    """Return what was done and what to type next.

    Args:
        result: What it gave.
        spec: The study as it was launched.
        home: The home it was launched in.
        wall: Seconds that the launch took.
        environment: Where the next commands will look for the home and the stores that no option names.
    """
    name = result.table.study
    place, tracking = _options(spec, home, environment)
    return "\n".join(
        [
            cost_lines(result, wall=wall),
            "next:",
            f"  nercc-tune dashboard{place}{tracking}",
            f"  nercc-tune advise {name}{place}",
            f"  nercc-tune promote {name}{place}{tracking}",
            f"  nercc-tune export {name}{place} -o table.json",
        ]
    )


def cost_lines(result: LaunchResult, *, wall: float) -> str:
    """Return what a launch cost, and where its results lie."""
    return "\n".join(
        [
            (
                f"new forward passes: tuning {result.forwards['tuning']:g}, "
                f"validation {result.forwards['validation']:g}, "
                f"held-out {result.forwards['heldout']:g}; {wall:.0f} s"
            ),
            f"table, figures and report in {result.folder}",
        ]
    )


def family_closing_lines(
    family: Family, folder: Path, *, home: Path, wall: float, environment: Mapping[str, str]
) -> str:
    """Return what the launch of a family did and what to type next.

    Args:
        family: As it was launched.
        folder: Where the family's own files lie.
        home: The home it was launched in.
        wall: Seconds that all of it took.
        environment: As for `closing_lines`.
    """
    place, tracking = _options(family.members[0], home, environment)
    member = family.members[0].name
    return "\n".join(
        [
            f"{len(family.members)} studies in {wall:.0f} s; error and agreement against N / K in {folder}",
            "next:",
            f"  nercc-tune dashboard{place}{tracking}",
            f"  nercc-tune advise {family.name}{place} --agreement 0.99",
            f"  nercc-tune export {member}{place} -o table.json      # or another of its studies",
        ]
    )


def _options(spec: StudySpec, home: Path, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the options that name the home and the storage, and the tracking store, where no default does."""
    given = {
        "HOME": None if home == Path("nercc-home") else str(home),
        "STORAGE": spec.storage.url,
        "TRACKING": spec.tracking.url,
    }
    named = {
        what: f" --{what.lower()} {shlex.quote(value if what == 'HOME' else masked(value))}"
        for what, value in given.items()
        if value is not None and value != environment.get(f"NERCC_TUNE_{what}")
    }
    return named.get("HOME", "") + named.get("STORAGE", ""), named.get("TRACKING", "")

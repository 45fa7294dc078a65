"""From a table, a model and a scheme's name to all that an engine runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from nercc_tune.coding import BASE, GroupCode, TrainedCode
from nercc_tune.errors import ServiceError
from nercc_tune.service.code_codec import CodeCodec, bears_of
from nercc_tune.service.codec import Codec
from nercc_tune.service.expected_errors import ExpectedErrors
from nercc_tune.service.plain_codec import PlainCodec
from nercc_tune.service.rules import Answers, Deadline, ErrorBound, Rule
from nercc_tune.service.scheme import Scheme
from nercc_tune.service.scheme_settings import SchemeSettings
from nercc_tune.service.schemes import coded, hedged, plain, replicated, with_parities
from nercc_tune.serving import ServedTable
from nercc_tune.serving.by_answers import ByAnswers
from nercc_tune.serving.served_code import ServedCode

__all__ = ["Rival", "rival"]

_Code = ServedCode | GroupCode | TrainedCode


@dataclass(frozen=True, kw_only=True, eq=False)
class Rival:
    """A scheme with what it runs.

    Attributes:
        scheme: How the workers are used.
        codec: What they are sent, and how their answers are read.
        networks: Of each worker, the model or a parity network.
    """

    scheme: Scheme
    codec: Codec
    networks: tuple[nn.Module, ...]


def rival(settings: SchemeSettings, served: ServedTable, model: nn.Module) -> Rival:
    """Make all that an engine runs for a scheme.

    Args:
        settings: The scheme.
        served: The table, whose policy is served; the plain schemes have their cost from it.
        model: What is served, in evaluation mode.

    Raises:
        ServiceError: If the table's policy is of another kind than the scheme, there are too few workers or not a
            multiple of what a code needs, fewer answers are to be decoded than the table was tuned for, or a bound on
            the error is one that never holds.
        TableError: If the code cannot be had.
    """
    if settings.is_coded:
        return _coded(settings, served, model)
    entry, kind = served.table.entries[0], served.table.workload.output_kind
    workers = entry.workers if settings.workers is None else settings.workers
    scheme = _plain(settings, workers, share=entry.queries / entry.workers)
    codec = PlainCodec(tasks=len(scheme.tasks), output_kind=kind)
    return Rival(scheme=scheme, codec=codec, networks=(model,) * scheme.workers)


def _plain(settings: SchemeSettings, workers: int, *, share: float) -> Scheme:
    if settings.name == "none":
        return plain(max(1, round(workers * share)), name="none")
    if settings.name == "equal-resources":
        return plain(workers, name="equal-resources")
    if settings.name == "hedging":
        return hedged(workers, hedge=settings.hedge)
    if settings.copies > workers:
        raise ServiceError(f"`copies` must be at most the {workers} workers, but got {settings.copies}.")
    return replicated(workers, copies=settings.copies)


def _coded(settings: SchemeSettings, served: ServedTable, model: nn.Module) -> Rival:
    code, table = _code(settings, served), served.table
    each = 1 if settings.parity_workers is not None else _workers_of_each(settings, code.workers)
    # Which query goes where may differ from group to group, but not how many copies there are.
    bears = bears_of(code.on(torch.linspace(0, 1, code.queries)[:, None]))
    counts, errors = sorted(entry.stragglers for entry in table.policy.entries), _errors(settings, served)
    gives_own = not settings.confirm
    expected = ExpectedErrors.of(errors, bears, queries=code.queries, gives_own=gives_own)
    rule = _rule(settings, code, counts, expected)
    if isinstance(code, TrainedCode):
        scheme = _with_parities(settings, code, each=each, rule=rule)
    else:
        scheme = coded(
            code.queries,
            bears,
            rule=rule,
            each=each,
            name=settings.name,
            max_wait_s=settings.max_wait_s,
            gives_own=gives_own,
        )
    design = table.reference if settings.name == "bacc" else table.policy.design
    codec = CodeCodec(
        code=code,
        decode_space=design.decode_space,
        output_kind=table.workload.output_kind,
        expected=expected,
    )
    return Rival(scheme=scheme, codec=codec, networks=_networks(scheme, code, model))


def _code(settings: SchemeSettings, served: ServedTable) -> _Code:
    if settings.name == "bacc":
        return served.baseline("bacc")
    code = served.policy()
    is_trained = isinstance(code, TrainedCode)
    if is_trained != (settings.name == "parity"):
        other = "parity" if is_trained else "coded"
        raise ServiceError(
            f"`{settings.name}` must have a table of {'a linear' if is_trained else 'a trained'} code, but this one's "
            f"policy decodes by `{served.table.policy.design.decoder}`; choose `{other}`, or another table."
        )
    return code


def _workers_of_each(settings: SchemeSettings, workers: int) -> int:
    given = workers if settings.workers is None else settings.workers
    if given % workers:
        raise ServiceError(f"`workers` must be a multiple of the code's {workers}, but got {given}.")
    return given // workers


def _errors(settings: SchemeSettings, served: ServedTable) -> dict[int, float]:
    """Return the held-out errors in probabilities by the number of stragglers."""
    table = served.table
    if settings.name == "bacc":
        found = ((entry.stragglers, entry.baselines.get("bacc")) for entry in table.entries)
        return {stragglers: heldout.prob_mse.mean for stragglers, heldout in found if heldout is not None}
    return {entry.stragglers: entry.heldout.prob_mse.mean for entry in table.policy.entries}


def _rule(settings: SchemeSettings, code: _Code, counts: Sequence[int], expected: ExpectedErrors) -> Rule:
    fewest = code.workers - counts[-1]
    if isinstance(code, ServedCode) and isinstance(code.parameter, ByAnswers):
        fewest = code.parameter.fewest
    for field, count in (("answers", settings.answers), ("least", settings.least)):
        if count is not None and not fewest <= count <= code.workers:
            raise ServiceError(
                f"`{field}` must be from {fewest} to {code.workers}, since the table is tuned for up to {counts[-1]} "
                f"stragglers of {code.workers} workers, but got {count}."
            )
    if settings.error_bound is not None:
        least_error = min(expected.by_answers[fewest:])
        if settings.error_bound < least_error:
            raise ServiceError(
                f"`error_bound` must be at least {least_error:.3g}, which is expected at best, "
                f"but got {settings.error_bound}."
            )
        return ErrorBound(expected=expected, bound=settings.error_bound, least=fewest)
    if settings.deadline_s is None:
        default = code.queries if isinstance(code, TrainedCode) else code.workers - counts[len(counts) // 2]
        return Answers(count=settings.answers or default)
    count = settings.answers or code.workers
    least = settings.least or fewest
    if least > count:
        raise ServiceError(f"`least` must be at most `answers` = {count}, but got {least}.")
    return Deadline(seconds=settings.deadline_s, least=least, count=count)


def _with_parities(settings: SchemeSettings, code: TrainedCode, *, each: int, rule: Rule) -> Scheme:
    parity_workers = settings.parity_workers or each
    workers = each * code.queries
    if settings.parity_workers is not None:
        workers = (settings.workers or code.workers) - code.parities * parity_workers
        if not workers >= 1:
            raise ServiceError(
                f"`parity_workers` must leave a worker to the model, but got {parity_workers} for each of "
                f"{code.parities} parity networks of {settings.workers or code.workers} workers."
            )
    scheme = with_parities(
        code.queries,
        code.networks[code.queries :],
        workers=workers,
        parity_workers=parity_workers,
        max_wait_s=settings.max_wait_s,
    )
    return replace(scheme, name=settings.name, rule=rule, gives_own=not settings.confirm)


def _networks(scheme: Scheme, code: _Code, model: nn.Module) -> tuple[nn.Module, ...]:
    runs: dict[int, nn.Module] = {}
    for pool in scheme.pools:
        name = pool.network or BASE
        network = code.network(name) if isinstance(code, TrainedCode) and name != BASE else model
        runs.update(dict.fromkeys(pool.workers, network))
    return tuple(runs[worker] for worker in range(scheme.workers))

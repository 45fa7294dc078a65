"""The section of a study file that says which answers are wrong."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from nercc_tune.records import DEFAULT_DISTRUSTS, DEGREES, LOCATORS, ErrorKind
from nercc_tune.spec.search_settings import SearchSettings
from nercc_tune.spec.section import Section
from nercc_tune.spec.settings import CodeSettings, EvaluationSettings

__all__ = ["ErrorSettings", "check_errors"]

_LEAST_GROUPS = 2


class ErrorSettings(Section):
    """Which of the answers that arrive are wrong, and how.

    In every mask `count` of the workers that arrived are liars, or each is one with `probability`; they answer all
    groups wrongly under that mask. The masks take the `kinds` in turn: `sign-flip`, `normal-<σ>`, `other-query`,
    `stale-<σ>`, `constant-<v>`, `nan`, `infinity`; see `nercc_tune.records.ErrorKind`.
    With `sticky` the same workers lie in all masks, as far as they arrived, otherwise others each time.
    `margin` is how many more answers than that a decoder may distrust.
    """

    kinds: tuple[str, ...] = ()
    count: Annotated[int, Field(ge=0, strict=True)] | None = None
    probability: Annotated[float, Field(ge=0, lt=0.5)] | None = None
    sticky: bool = False
    margin: Annotated[int, Field(ge=0, strict=True)] = 5

    @field_validator("kinds")
    @classmethod
    def _are_known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        labels = tuple(ErrorKind.of(kind).label for kind in kinds)
        if len(set(labels)) != len(labels):
            raise ValueError(f"`kinds` must not repeat a kind, but got {list(kinds)}.")
        return labels

    @property
    def are_given(self) -> bool:
        """Whether a study has wrong answers."""
        return bool(self.kinds)

    @property
    def each(self) -> tuple[ErrorKind, ...]:
        """The kinds."""
        return tuple(ErrorKind.of(kind) for kind in self.kinds)

    @model_validator(mode="after")
    def _complete(self) -> ErrorSettings:
        if not self.kinds:
            # Of what is as by default nobody can tell whether it was given: stored studies hold every field.
            given = [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]
            if given:
                raise ValueError(f"`{given[0]}` needs `kinds`, how answers are wrong.")
        elif (self.count is None) == (self.probability is None):
            raise ValueError("`kinds` need either `count` or `probability`, how many of the answers are wrong.")
        return self


def check_errors(
    errors: ErrorSettings, code: CodeSettings, search: SearchSettings, evaluation: EvaluationSettings
) -> None:
    """Refuse wrong answers that a study cannot have, or no code can bear.

    Raises:
        ValueError: If the rest of the study does not go with them.
    """
    if not errors.are_given:
        if search.distrusts:
            raise ValueError("`search.distrusts` needs wrong answers, `errors.kinds`, on which it is tuned.")
        return
    if code.kind != "nercc":
        raise ValueError(
            f'wrong answers need `code.kind = "nercc"`, whose decoders can distrust, but got {code.kind!r}.'
        )
    readable = search.distrusts or DEFAULT_DISTRUSTS
    if set(search.decoders) <= set(DEGREES) and not set(search.distrusts) & {"median", "copies", *LOCATORS}:
        raise ValueError(
            f"rational decoders distrust by medians, copies and locators alone, but got `distrusts` of "
            f'{list(readable)}; list "median", "copies", "polynomial" or "rational" in `search.distrusts`.'
        )
    if search.strategy != "profile" or search.pruner != "none":
        raise ValueError(
            'wrong answers need `search.strategy = "profile"` and `search.pruner = "none"`, to find what to distrust '
            f"on all groups at once, but got {search.strategy!r} and {search.pruner!r}."
        )
    if "chord-length" in (code.nodes, *search.nodes):
        raise ValueError(
            'the nodes "chord-length" are fitted to each group, and distrust needs nodes that all groups share; '
            "list others in `search.nodes`."
        )
    fewest, least = (
        min(getattr(evaluation, f"{part}_{what}") for part in ("tuning", "validation", "heldout"))
        for what in ("groups", "masks")
    )
    if least < len(errors.kinds):
        raise ValueError(
            f"every part needs a mask for each of the {len(errors.kinds)} `errors.kinds`, which masks have in turn, "
            f"but one has {least}; raise `evaluation.tuning_masks`, `validation_masks` or `heldout_masks`."
        )
    if any(kind.name == "other-query" for kind in errors.each) and fewest < _LEAST_GROUPS:
        raise ValueError("the kind `other-query` needs at least 2 groups in every part, whose answers are exchanged.")
    worst = max(code.stragglers, default=0)
    bearable = (code.workers - worst - code.queries) // 2
    if errors.count is not None and errors.count > max(bearable, 0):
        raise ValueError(
            f"`errors.count <= (workers - stragglers - queries) / 2` must hold, the bound of every exact code: "
            f"{code.workers} workers with {worst} stragglers bear {max(bearable, 0)} wrong answers of {code.queries} "
            f"queries, but got {errors.count}."
        )

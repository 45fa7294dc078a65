"""What every section of a study file is made of."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1, strict=True)]
Copies = Annotated[int, Field(ge=0, le=10**6, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]


class Section(BaseModel):
    """A part of a study file: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LogRange(Section):
    """A closed range of positive numbers, searched on a log scale."""

    low: Annotated[float, Field(gt=0, strict=True)]
    high: Annotated[float, Field(gt=0, le=1e12, strict=True)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"`low < high` must hold, but got low = {self.low:g} and high = {self.high:g}.")
        return self

    def nearest(self, value: float) -> float:
        """Return the number of the range that is nearest to a value."""
        return min(max(value, self.low), self.high)

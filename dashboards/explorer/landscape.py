"""The error over both smoothing parameters, and along each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import streamlit as st

from nercc_tune.errors import NerccTuneError
from nercc_tune.exploration import Exploration
from nercc_tune.records import (
    MEASURES,
    Axis,
    CellHistory,
    Design,
    Interval,
    Measure,
    Profile,
    StudyHistory,
    Surface,
)
from nercc_tune.reporting.interactive import plot_landscape, plot_profiles, recorded_surface

from .charts import show_chart
from .context import Context
from .source import Source, mlflow_links
from .wording import MEASURE_NAMES, write_pair, write_smoothing

_MOST_ROWS = 40
"""λ_enc that are decoded anew; of more, an evenly spread choice."""

_MOST_PLACES = 120
"""λ_enc of a profile, likewise: a line through more cannot be told from it."""


def show_landscape(context: Context) -> None:
    """Show the page."""
    st.title("Landscape")
    if not context.has_studies():
        return
    history, cell = context.history, context.cell
    chosen = cell.smoothed
    if chosen is None:
        if cell.best is None:
            st.info(f"No trial of {cell.cell.title} has a score yet: {_counts(cell)}.")
        else:
            st.info("No code of this cell is decoded by a spline, so that there is no map of both λ; see the report.")
        return
    kind = "best that a spline decodes" if not chosen.is_chosen else "chosen" if cell.entry else "best so far"
    link = mlflow_links(history.name).get(cell.cell.name)
    distrust = cell.chosen.distrust if chosen.is_chosen and cell.chosen else None
    st.markdown(
        f"{cell.cell.title} of `{history.name}`, {_counts(cell)}. The pair that is {kind} is "
        f"**{write_pair(chosen.lambda_enc, chosen.lambda_dec)}** in the design *{chosen.design.label}*"
        + (f", which distrusts answers by {distrust.label}." if distrust else ".")
        + (f" [MLflow run]({link})" if link else "")
    )
    default = MEASURES.index(history.goal.error)
    measure: Measure = st.radio(
        "Metric", MEASURES, index=default, format_func=MEASURE_NAMES.__getitem__, horizontal=True
    )
    is_decoded = st.toggle(
        "Decode the kept worker outputs anew, at every λ_dec and for every metric",
        key="is_decoded",
        help="Loads the model and the data once; the model itself does not run.",
    )
    recorded = recorded_surface(cell, grid=history.decoder_grid) if measure == history.goal.error else None
    surface = _decoded_surface(context.source, history, cell, measure) if is_decoded else recorded
    if surface is None and not is_decoded:
        st.info(f"The search recorded the {MEASURE_NAMES[history.goal.error]} only; turn decoding on for this metric.")
    if surface is not None:
        show_chart(plot_landscape(surface, cell, policy=history.policy), key="landscape")
        _show_profiles(context.source, history, cell, surface, has_intervals=is_decoded)


def _counts(cell: CellHistory) -> str:
    complete = sum(trial.is_complete for trial in cell.trials)
    failed = sum(trial.reason is not None for trial in cell.trials)
    pruned = sum(trial.pruned_after is not None for trial in cell.trials)
    parts = [
        f"{complete} complete trials",
        *([f"{failed} failed"] if failed else []),
        *([f"{pruned} pruned"] if pruned else []),
    ]
    return ", ".join(parts)


def _decoded_surface(source: Source, history: StudyHistory, cell: CellHistory, measure: Measure) -> Surface | None:
    """Return the surface from the worker outputs; None, and why on the page, where they cannot be had."""
    chosen = cell.smoothed
    if chosen is None:
        return None
    design = chosen.design
    tried = sorted({trial.lambda_enc for trial in cell.trials if trial.encoding == design.encoding(trial.lambda_enc)})
    key = ("surface", history.digest, cell.cell.name, design, len(tried))
    try:
        with _working(source, key, "decoding") as progress:
            surfaces: dict[Measure, Surface] = source.computed(
                key, lambda: _decode(source.exploration(history), cell, design, tried, progress)
            )
    except NerccTuneError as error:
        st.error(str(error))
        return None
    surface = surfaces.get(measure)
    if surface is None:
        st.warning("No worker outputs are kept for this design: the study ran without `cache.disk`, or elsewhere.")
        return None
    shown = len(surface.lambda_encs)
    if shown < len(tried):
        st.markdown(f"{shown} of {len(tried)} tried λ_enc are shown: those with kept outputs, evenly spread.")
    return surface


def _decode(
    exploration: Exploration,
    cell: CellHistory,
    design: Design,
    tried: Sequence[float],
    progress: Callable[[int, int], None],
) -> dict[Measure, Surface]:
    kept = exploration.at_hand(design, tried)
    chosen = cell.smoothed
    wanted = [chosen.lambda_enc] if chosen and chosen.lambda_enc in kept else []
    rows = sorted({*_spread(kept, _MOST_ROWS), *wanted})
    if not rows:
        return {}
    return exploration.surfaces(cell.cell.stragglers, design, rows, progress=progress)


def _spread(values: Sequence[float], most: int) -> list[float]:
    """Return at most so many of some ascending values, the outer ones among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(index * (len(values) - 1) / (most - 1))] for index in range(most)]


@contextmanager
def _working(source: Source, key: object, what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for work that may take a while; nothing where it was done before."""
    if source.is_computed(key):
        yield lambda _done, _total: None
        return
    bar = st.progress(0.0, text=f"{what}: loading the model and the data")

    def show(done: int, total: int) -> None:
        bar.progress(done / total, text=f"{what}: {done} of {total}")

    try:
        yield show
    finally:
        bar.empty()


def _show_profiles(
    source: Source, history: StudyHistory, cell: CellHistory, surface: Surface, *, has_intervals: bool
) -> None:
    chosen = cell.smoothed
    if chosen is None:
        return
    st.header("Profiles", anchor=False)
    nearest = min(surface.lambda_encs, key=lambda value: abs(value - chosen.lambda_enc))
    lambda_encs = sorted({*_spread(surface.lambda_encs, _MOST_PLACES), nearest})
    # By place, not by value: Streamlit takes two λ for the same that differ by less than 5e-12.
    places = range(len(lambda_encs))
    place = st.select_slider(
        "λ_enc of the first profile",
        places,
        value=lambda_encs.index(nearest),
        format_func=lambda place: write_smoothing(lambda_encs[place]),
    )
    lambda_enc = lambda_encs[place]
    key = ("profiles", history.digest, cell.cell.name, surface.design, lambda_enc, len(surface.lambda_encs))
    if not has_intervals:
        st.markdown("Turn decoding on above for 95 % intervals over groups and masks.")
        at = min(surface.lambda_decs, key=lambda value: abs(value - chosen.lambda_dec))
        along = [_row(surface, lambda_enc), _column(surface, at, lambda_encs)]
    else:
        exploration = source.exploration(history)
        with _working(source, key, "resampling") as progress:
            both = source.computed(
                key,
                lambda: (
                    exploration.profiles(
                        cell.cell.stragglers, surface.design, axis="lambda_dec", other=lambda_enc, progress=progress
                    ),
                    exploration.profiles(
                        cell.cell.stragglers,
                        surface.design,
                        axis="lambda_enc",
                        other=chosen.lambda_dec,
                        smoothings=surface.lambda_encs,
                        progress=progress,
                    ),
                ),
            )
        along = [profiles[surface.metric] for profiles in both]
    for column, profile in zip(st.columns(2), along, strict=True):
        with column:
            other = "λ_dec" if profile.axis == "lambda_enc" else "λ_enc"
            st.markdown(f"At {other} = {write_smoothing(profile.other)}")
            show_chart(plot_profiles([profile]), key=f"profile-{profile.axis}")


def _row(surface: Surface, lambda_enc: float) -> Profile:
    """Return what was recorded along λ_dec; without intervals, which only the outputs can give."""
    values = surface.values[surface.lambda_encs.index(lambda_enc)]
    return _bare(surface, "lambda_dec", lambda_enc, dict(zip(surface.lambda_decs, values, strict=True)))


def _column(surface: Surface, lambda_dec: float, lambda_encs: Sequence[float]) -> Profile:
    """Return what was recorded along λ_enc."""
    place = surface.lambda_decs.index(lambda_dec)
    rows = dict(zip(surface.lambda_encs, surface.values, strict=True))
    return _bare(surface, "lambda_enc", lambda_dec, {value: rows[value][place] for value in lambda_encs})


def _bare(surface: Surface, axis: Axis, other: float, values: Mapping[float, float]) -> Profile:
    points = tuple(Interval(mean=value, low=value, high=value) for value in values.values())
    return Profile(metric=surface.metric, axis=axis, other=other, smoothings=tuple(values), points=points)

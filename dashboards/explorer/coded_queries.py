"""One group of queries on its workers: what they get, and what is read off those that answer."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import streamlit as st

from nercc_tune.errors import NerccTuneError
from nercc_tune.exploration import Decoded, LiveGroup, SentCode, codes_to_send
from nercc_tune.records import CODE_NAMES
from nercc_tune.reporting.interactive import plot_outputs, plot_weights
from nercc_tune.straggling import Part

from .charts import show_chart
from .context import Context
from .pictures import Array, as_pictures, mosaic, to_html
from .wording import to_table, write_parameter

_TILES = 20  # in a row of the overview of all coded queries
_SECOND = "bacc"


def show_coded_queries(context: Context) -> None:
    """Show the page."""
    st.title("Coded queries")
    if not context.has_studies():
        return
    history, cell = context.history, context.cell
    try:
        with st.spinner("Loading the model and the data"):
            exploration = context.source.exploration(history)
    except NerccTuneError as error:
        st.error(str(error))
        return
    codes = codes_to_send(
        history, cell.cell.stragglers, moments_of=exploration.moments_of, typical_of=exploration.typical_of
    )
    if cell.chosen is not None and cell.chosen.design.training is not None:
        st.info(
            "The networks of this study's codes are trained; shown are the baselines. The report shows what is sent."
        )
    firsts = [name for name in codes if name != _SECOND]
    part: Part = "heldout" if history.is_finished else "tuning"
    columns = st.columns(2)
    name = columns[0].selectbox("Code", firsts, format_func=lambda name: codes[name].title)
    most = len(exploration.inference.split.of(part))
    kind = "held-out" if part == "heldout" else "tuning"
    index = columns[1].number_input(f"Group of {kind} queries (0 to {most - 1})", 0, most - 1, 0)
    groups = {}
    for each in (name, _SECOND):
        code = codes[each]
        smoothing = history.is_judged if callable(code.parameter) else code.parameter
        key = ("group", history.digest, part, int(index), cell.cell.name, code.design, code.lambda_enc, smoothing)
        groups[each] = context.source.computed(key, partial(exploration.group, part, int(index), code))
    _show_queries(groups[name], groups[_SECOND], codes[name])
    _show_decoding(groups[name], groups[_SECOND], codes[name], stragglers=cell.cell.stragglers)


def _show_queries(group: LiveGroup, other: LiveGroup, code: SentCode) -> None:
    """Show the queries in their order, and what one worker and all workers get."""
    ordered = group.queries[group.order]
    queries, coded, others = (as_pictures(tensor.double().numpy()) for tensor in (ordered, group.coded, other.coded))
    span = (float(queries.min()), float(queries.max()))
    workers = len(coded)
    st.header(f"{len(queries)} queries, in the order of their nodes", anchor=False)
    labels = ", ".join(str(int(group.labels[place])) for place in range(len(queries)))
    st.html(_picture(queries, span, words=f"{len(queries)} queries, of the classes {labels} in the order of arrival"))
    st.header("What a worker gets", anchor=False)
    number = st.slider("Worker number", 0, workers - 1, workers // 2)
    columns = st.columns([1, 1, 3])
    for column, pictures, title in ((columns[0], coded, code.title), (columns[1], others, CODE_NAMES["bacc"])):
        with column:
            st.markdown(f"**{title}**")
            st.html(
                to_html(
                    mosaic(pictures[number : number + 1], columns=1, span=span),
                    words=f"coded query {number} by {title}",
                )
            )
    with columns[2]:
        rows = {
            code: shown.code.encoder_matrix[number][shown.order].tolist()
            for code, shown in (("tuned", group), ("bacc", other))
        }
        show_chart(plot_weights(rows), key="weights")
    with st.expander(f"All {workers} coded queries, in the order of the workers"):
        for pictures, title in ((coded, code.title), (others, CODE_NAMES["bacc"])):
            st.markdown(f"**{title}**")
            st.html(_picture(pictures, span, words=f"{workers} coded queries by {title}"))


def _picture(pictures: Array, span: tuple[float, float], *, words: str) -> str:
    return to_html(mosaic(pictures, columns=min(_TILES, len(pictures)), span=span), words=words)


def _show_decoding(group: LiveGroup, other: LiveGroup, code: SentCode, *, stragglers: int) -> None:
    st.header("Who straggles", anchor=False)
    workers = group.code.workers
    st.markdown("The answer of a worker that is chosen here is lost; the estimates are decoded anew from the others.")
    presets = st.columns(4)
    if presets[0].button("Everybody answers", width="stretch"):
        st.session_state["straggling"] = []
    if presets[1].button(f"{stragglers} at random", width="stretch"):
        st.session_state["straggling"] = sorted(
            np.random.default_rng().choice(workers, stragglers, replace=False).tolist()
        )
    if presets[2].button(f"A burst of {stragglers}", width="stretch"):
        start = int(np.random.default_rng().integers(workers - stragglers + 1))
        st.session_state["straggling"] = list(range(start, start + stragglers))
    if presets[3].button("The other half", width="stretch"):
        gone = set(st.session_state.get("straggling") or ())
        st.session_state["straggling"] = [worker for worker in range(workers) if worker not in gone]
    known = [worker for worker in st.session_state.get("straggling") or () if worker < workers]
    st.session_state["straggling"] = known
    straggling = st.pills("Stragglers", range(workers), selection_mode="multi", key="straggling")
    arrived = [worker for worker in range(workers) if worker not in set(straggling)]
    if len(arrived) < 2:
        st.warning("At least two workers must answer.")
        return
    decoded, reference = group.decode(arrived), other.decode(arrived)
    st.markdown(f"{len(straggling)} stragglers, {len(arrived)} answers{_written_smoothing(code, len(arrived))}.")
    st.markdown(_scores({code.title: decoded, CODE_NAMES["bacc"]: reference}))
    _show_estimates(group, decoded)


def _written_smoothing(code: SentCode, arrived: int) -> str:
    if code.lambda_enc is None:
        return ""
    parameter = code.parameter_for(arrived)
    return f", decoded with {write_parameter(parameter)}"


def _scores(decoded: dict[str, Decoded]) -> str:
    rows = []
    for title, item in decoded.items():
        score = item.score
        rel_acc = "–" if score.rel_acc is None else f"{score.rel_acc:.4g}"
        rows.append([title, f"{score.mse:.6g}", f"{score.prob_mse:.6g}", rel_acc, f"{score.agreement:.4g}"])
    return to_table(["code", "MSE (decode space)", "MSE (probabilities)", "RelAcc", "agreement"], rows)


def _show_estimates(group: LiveGroup, decoded: Decoded) -> None:
    order = group.order
    figure = plot_outputs(group.outputs[order].tolist(), decoded.estimates[order].tolist())
    show_chart(figure, key="outputs")
    rows = [
        [
            str(place),
            str(int(group.labels[number])),
            str(int(group.outputs[number].argmax())),
            str(int(decoded.estimates[number].argmax())),
            f"{math.sqrt(float(decoded.errors[number])):.4g}",
        ]
        for place, number in enumerate(order)
    ]
    with st.expander("Query by query"):
        st.markdown(to_table(["node", "label", "argmax of the output", "argmax of the estimate", "L2 distance"], rows))

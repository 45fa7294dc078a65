"""What each code is worth as more workers straggle."""

from __future__ import annotations

import streamlit as st

from nercc_tune.export.blocks import write_count
from nercc_tune.export.table import TunedTable
from nercc_tune.export.wrong_answers import wrong_answer_blocks
from nercc_tune.records import CODE_NAMES, MEASURES, Measure, StudyHistory
from nercc_tune.reporting.interactive import plot_stragglers
from nercc_tune.reporting.series import code_series

from .charts import show_chart
from .context import Context
from .wording import MEASURE_NAMES, to_table, write_interval

_BASELINES = ("bacc", "nercc_ag", "replication")


def show_stragglers(context: Context) -> None:
    """Show the page."""
    st.title("Stragglers")
    if not context.has_studies():
        return
    history = context.history
    if not history.is_finished:
        _show_tuning(history)
        return
    table = TunedTable.from_history(history)
    st.markdown(
        f"`{table.study}` on held-out queries and masks, with 95 % intervals over groups and masks; "
        "all codes on the same draws."
    )
    measures = [measure for measure in MEASURES if any(getattr(entry.heldout, measure) for entry in table.entries)]
    wanted = history.goal.error if history.goal.error in measures else measures[0]
    measure: Measure = st.radio(
        "Metric", measures, index=measures.index(wanted), format_func=MEASURE_NAMES.__getitem__, horizontal=True
    )
    show_chart(plot_stragglers(table, measure=measure), key="stragglers")
    st.markdown(_in_figures(table, measure))
    for block in wrong_answer_blocks(table):
        st.header(block.title, anchor=False)
        st.markdown(to_table(block.head, block.rows))
        st.markdown(block.note)


def _in_figures(table: TunedTable, measure: Measure) -> str:
    """Return the same as a table."""
    shown = code_series(table)
    rows = [
        [
            f"S={write_count(entry)}",
            *(
                write_interval(getattr(heldouts[entry.stragglers], measure)) if entry.stragglers in heldouts else "–"
                for heldouts in shown.values()
            ),
        ]
        for entry in table.entries
    ]
    return to_table(["stragglers", *(CODE_NAMES[name] for name in shown)], rows)


def _show_tuning(history: StudyHistory) -> None:
    """Show the best so far beside the baselines on the tuning draws, which is all there is during a search."""
    st.info("The study is not finished: nothing has been judged on held-out queries yet. On the tuning draws so far:")
    error = MEASURE_NAMES[history.goal.error]
    rows = []
    for cell in history.cells:
        best = cell.best
        scores = [
            best.score if best else None,
            *(cell.baselines.get(name) for name in _BASELINES),
        ]
        rows.append(
            [cell.cell.title, *("–" if score is None else f"{cell.goal.error_of(score):.4g}" for score in scores)]
        )
    st.markdown(to_table(["stragglers", f"best trial, {error}", *(CODE_NAMES[name] for name in _BASELINES)], rows))

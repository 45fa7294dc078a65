"""All studies at a glance, and the cells of the chosen one; it follows a study that runs."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

import streamlit as st

from nercc_tune.records import CellHistory, StudyHistory
from nercc_tune.reporting.interactive import plot_history
from nercc_tune.spec import StudySpec
from nercc_tune.tuning import SeenStudy, budget_of

from .charts import show_chart
from .context import Context
from .source import mlflow_links, open_source, view_links
from .wording import MEASURE_NAMES, to_table, write_gain, write_interval, write_pair, write_state

_EVERY_S = 2.0
_EVERY_IDLE_S = 5.0


def show_overview(context: Context) -> None:
    """Show the page."""
    st.title("Studies")
    is_running = any(seen.is_launched for seen in context.studies.values())
    st.fragment(_show_all, run_every=_EVERY_S if is_running else _EVERY_IDLE_S)(context)


def _show_all(context: Context) -> None:
    """Show all that there is; it is looked at again and again, and the whole page follows where a study is new."""
    latest = Context.here()
    if _launched(latest) != _launched(context):
        st.rerun()
    if not latest.has_studies():
        return
    head = ("study", "model", "data", "N", "K", "S", "trials", "state", "last trial (UTC)")
    st.markdown(to_table(head, [_study_row(seen) for seen in latest.studies.values()]))
    chosen = latest.studies.get(st.session_state["study"])
    if chosen is not None:
        _show_study(chosen)


def _launched(context: Context) -> dict[str, bool]:
    return {name: seen.is_launched for name, seen in context.studies.items()}


def _study_row(seen: SeenStudy) -> list[str]:
    history = seen.history
    cells = [cell.cell for cell in history.cells]
    counts = ", ".join(cell.title.removeprefix("S=") for cell in cells)
    trials = [trial for cell in history.cells for trial in cell.trials]
    last_ms = max((trial.finished_ms for trial in trials), default=None)
    last = "–" if last_ms is None else datetime.fromtimestamp(last_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    size = [str(cells[0].workers), str(cells[0].queries)]
    return [
        f"`{history.name}`",
        history.workload.model,
        history.workload.data,
        *size,
        counts,
        str(len(trials)),
        write_state(seen),
        last,
    ]


def _show_study(seen: SeenStudy) -> None:
    history = seen.history
    st.header(history.name, anchor=False)
    done = len({trial.proposal for cell in history.cells for trial in cell.trials})
    budget = max(done, budget_of(StudySpec.model_validate(history.spec, strict=False)))
    if not history.is_judged:
        hint = "" if seen.is_launched else f" – `{open_source().place.launch_command(history.name)}` goes on from here"
        state = "running: judging on held-out queries" if seen.is_launched and done >= budget else write_state(seen)
        st.progress(done / budget if budget else 0.0, text=f"{done} of {budget} proposals, {state}{hint}")
    st.markdown(view_links(history.name))
    st.markdown(_cell_table(history))
    if any(cell.best is not None for cell in history.cells):
        show_chart(plot_history(history.cells), key="history")


def _cell_table(history: StudyHistory) -> str:
    error = MEASURE_NAMES[history.goal.error]
    links = mlflow_links(history.name)
    if history.is_finished:
        shown = ["pair (λ_enc, λ_dec)", f"held-out {error}", "change to BACC", "change to (0, 0)", "RelAcc", "trials"]
    else:
        shown = ["best so far", f"{error}, tuning", "BACC", "(0, 0)", "trials", "failed", "pruned"]
    rows = [_cell_row(cell, history, links.get(cell.cell.name)) for cell in history.cells]
    return to_table(["stragglers", *shown, "pages"], rows)


def _cell_row(cell: CellHistory, history: StudyHistory, mlflow: str | None) -> list[str]:
    pages = " · ".join(filter(None, [f"[MLflow run]({mlflow})" if mlflow else "", f"[landscape]({_page(cell)})"]))
    entry = cell.entry
    if history.is_finished and entry is not None:
        return [
            cell.cell.title,
            write_pair(entry.lambda_enc, entry.parameter),
            write_interval(getattr(entry.heldout, history.goal.error)),
            write_gain(entry.gains.get("bacc")),
            write_gain(entry.gains.get("nercc_ag")),
            write_interval(entry.heldout.rel_acc),
            str(entry.trials),
            pages,
        ]
    best = cell.best
    baselines = [cell.baselines.get(name) for name in ("bacc", "nercc_ag")]
    return [
        cell.cell.title,
        write_pair(best.lambda_enc, best.parameter) if best else "–",
        f"{cell.goal.error_of(best.score):.4g}" if best and best.score else "–",
        *(f"{cell.goal.error_of(score):.4g}" if score else "–" for score in baselines),
        str(len(cell.trials)),
        str(sum(trial.reason is not None for trial in cell.trials)),
        str(sum(trial.pruned_after is not None for trial in cell.trials)),
        pages,
    ]


def _page(cell: CellHistory) -> str:
    return "landscape?" + urlencode({"study": cell.cell.study, "cell": cell.cell.name})

"""Which code serves, and the choice of another one by a person who looked."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from nercc_tune.errors import NerccTuneError
from nercc_tune.export.attachments import read_attachments
from nercc_tune.export.table import TunedTable
from nercc_tune.terminal import show_parameter, warnings_of
from nercc_tune.tracking.deployment.promotion import (
    Deployed,
    DeployedCode,
    Deployment,
    Version,
    promote,
    read_deployments,
    registered_name,
    rollback,
)

from .context import Context
from .source import Source
from .wording import to_table, write_interval, write_smoothing


def show_deploy(context: Context) -> None:
    """Show the page."""
    st.title("Deploy")
    if not context.has_studies():
        return
    source, history = context.source, context.history
    first = history.cells[0].cell
    name = registered_name(model=first.model, data=first.data, queries=first.queries, workers=first.workers)
    _show_outcome()
    try:
        deployed = read_deployments(source.place.tracking, name)
    except NerccTuneError as error:
        st.error(str(error))
        return
    _show_deployed(source, deployed)
    st.header("Candidates", anchor=False)
    if not history.is_finished:
        st.info(
            f"`{history.name}` has not been judged on held-out queries yet; nothing of it can be deployed. "
            f"`{source.place.launch_command(history.name)}` completes it."
        )
        return
    table = TunedTable.from_history(history)
    counts = f"{table.entries[0].fewest}…{table.entries[-1].stragglers}"
    codes = [DeployedCode.of(table), *(DeployedCode.of(table, stragglers=item.stragglers) for item in table.entries)]
    for line in warnings_of(table):
        st.warning(line)
    st.markdown(_candidates(codes, deployed, mean_over=f"mean over S={counts}"))
    chosen = st.radio("Candidate", codes, format_func=lambda code: code.serves, horizontal=True, key="candidate")
    if st.button(f"Promote {chosen.serves}…"):
        _confirm_promotion(source, table, chosen, name)


def _show_outcome() -> None:
    """Say once what the last promotion or rollback did."""
    outcome: Deployment | None = st.session_state.pop("outcome", None)
    if outcome is None or outcome.now.champion is None:
        return
    champion = outcome.now.champion
    st.success(f"{outcome.outcome.capitalize()}: version {champion.version} is the champion, {champion.code.serves}.")


def _show_deployed(source: Source, deployed: Deployed) -> None:
    st.markdown(f"Registered model `{deployed.name}` in [MLflow]({source.place.mlflow}/#/models/{deployed.name}).")
    if deployed.champion is None:
        st.info("Nothing is deployed yet.")
        return
    rows = [_version_row("now", deployed.champion)]
    if deployed.previous is not None:
        rows.append(_version_row("before", deployed.previous))
    head = ["", "version", "study", "code", "λ_enc", "λ_dec", "held-out MSE (probabilities)", "promoted (UTC)"]
    st.markdown(to_table(head, rows))
    st.code(f'mlflow.pyfunc.load_model("models:/{deployed.name}@champion")', language="python")
    if deployed.previous is not None and st.button("Roll back…"):
        _confirm_rollback(source, deployed)


def _version_row(when: str, version: Version) -> list[str]:
    code = version.code
    return [
        f"**{when}**",
        str(version.version),
        f"`{code.study}`",
        f"{code.serves}, {code.design}",
        write_smoothing(code.lambda_enc),
        _written_smoothings(code),
        write_interval(code.prob_mse),
        version.promoted_at.replace("T", " ").removesuffix("+00:00"),
    ]


def _written_smoothings(code: DeployedCode) -> str:
    shown = {count: show_parameter(parameter) for count, parameter in code.parameters.items()}
    return (
        next(iter(shown.values()))
        if len(shown) == 1
        else ", ".join(f"S={count}: {text}" for count, text in shown.items())
    )


def _candidates(codes: list[DeployedCode], deployed: Deployed, *, mean_over: str) -> str:
    head = ["candidate", "judged at", "design", "λ_enc", "λ_dec", "held-out MSE (probabilities)"]
    head += ["minus that of (0, 0)", "verdict"]
    rows = [
        [
            code.serves,
            mean_over if code.stragglers is None else code.serves,
            code.design,
            write_smoothing(code.lambda_enc),
            _written_smoothings(code),
            write_interval(code.prob_mse),
            write_interval(code.minus_nercc_ag),
            _verdict(code, deployed),
        ]
        for code in codes
    ]
    return to_table(head, rows)


def _verdict(code: DeployedCode, deployed: Deployed) -> str:
    if deployed.champion is not None and deployed.champion.code == code:
        return "deployed"
    return "better than (0, 0)" if code.is_better else "not surely better than (0, 0)"


@st.dialog("Promote")
def _confirm_promotion(source: Source, table: TunedTable, code: DeployedCode, name: str) -> None:
    st.markdown(
        f"**{code.serves}** of `{code.study}`: λ_enc {write_smoothing(code.lambda_enc)}, "
        f"λ_dec {_written_smoothings(code)}; held-out MSE in probabilities {write_interval(code.prob_mse)}. "
        f"It becomes the champion of `{name}`; the one until now is kept as the previous one."
    )
    is_forced = False
    if not code.is_better:
        st.warning("On held-out queries it is not surely better than NeRCC at (0, 0).")
        is_forced = st.checkbox("Promote it all the same")
    is_wanted = st.button("Promote", disabled=not (code.is_better or is_forced))
    if is_wanted:
        stragglers = code.stragglers
        _act(
            lambda: promote(
                table,
                url=source.place.tracking,
                artifacts=source.place.home.artifacts,
                stragglers=stragglers,
                name=name,
                force=is_forced,
                attachments=read_attachments(table, beside=source.place.home.table(table.study)),
            ),
            "registering the table",
        )


@st.dialog("Roll back")
def _confirm_rollback(source: Source, deployed: Deployed) -> None:
    if deployed.previous is None or deployed.champion is None:
        return
    st.markdown(
        f"Version {deployed.previous.version} ({deployed.previous.code.serves} of `{deployed.previous.code.study}`) "
        f"becomes the champion of `{deployed.name}` again, and version {deployed.champion.version} the previous one."
    )
    if st.button("Roll back"):
        _act(lambda: rollback(source.place.tracking, deployed.name), "rolling back")


def _act(act: Callable[[], Deployment], what: str) -> None:
    """Do it, and show the page anew; what went wrong stands in the dialog."""
    try:
        with st.spinner(what):
            st.session_state["outcome"] = act()
    except NerccTuneError as error:
        st.error(str(error))
        return
    st.rerun()

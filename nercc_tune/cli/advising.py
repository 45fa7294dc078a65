"""What to deploy: `advise`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nercc_tune.cli.app import app
from nercc_tune.cli.options import DEFAULT_HOME, HomeOption, JsonOption, StorageOption, StudyArgument
from nercc_tune.cli.printing import print_json
from nercc_tune.cli.reading import family_of, read_family
from nercc_tune.errors import TableError
from nercc_tune.text.console import make_console

if TYPE_CHECKING:
    from nercc_tune.export.redundancy import Level, Redundancy
    from nercc_tune.export.table import TunedTable


@app.command()
def advise(
    study: StudyArgument,
    *,
    agreement: Annotated[
        float | None,
        typer.Option("--agreement", metavar="FLOOR", help="Say how many workers it takes to agree so often: 0.99 …"),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option("--stragglers-share", metavar="SHARE", help="With --agreement: of the workers; 0.2 is a fifth."),
    ] = None,
    stragglers: Annotated[
        int | None, typer.Option("--stragglers", min=0, help="With --agreement: S, the same whatever the workers.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where to deploy the tuned code, BACC or plain replication; or how many workers a floor on agreement takes.

    A family of studies, one for each number of workers, is given by its name; all of it that is finished has a say.

    Example: `nercc-tune advise lenet5-digits`, or
    `nercc-tune advise redundancy-lenet5-mnist --agreement 0.99 --stragglers-share 0.2`
    """
    from nercc_tune.export.redundancy import Redundancy

    _check(agreement, share, stragglers)
    name, tables, missing = _read(study, home, storage)
    if agreement is None:
        _show_advice(name, tables, as_json=as_json)
    else:
        redundancy = Redundancy.of(name, tables)
        levels = _levels(redundancy, share=share, stragglers=stragglers)
        _show_needs(name, levels, agreement, as_json=as_json)
    if missing:
        make_console(stderr=True).print(
            f"not finished, and left out: {', '.join(missing)}", style="yellow", highlight=False, markup=False
        )


def _check(agreement: float | None, share: float | None, stragglers: int | None) -> None:
    if agreement is not None and not 0 < agreement <= 1:
        raise TableError(
            f"`--agreement` must be above 0 and at most 1, but got {agreement:g}; 0.99 is 99 queries of 100."
        )
    if share is not None and not 0 < share < 1:
        raise TableError(
            f"`--stragglers-share` must be between 0 and 1, but got {share:g}; 0.2 is a fifth of the workers."
        )
    if share is not None and stragglers is not None:
        raise TableError("only one of `--stragglers` and `--stragglers-share` may be given.")
    if agreement is None and (share is not None or stragglers is not None):
        raise TableError(
            "`--stragglers` and `--stragglers-share` need a floor; give `--agreement 0.99`, or leave them out."
        )


def _read(study: str, home: Path, storage: str | None) -> tuple[str, tuple[TunedTable, ...], list[str]]:
    """Return what the studies are called together, the tables of the finished ones, and the names of the others."""
    from nercc_tune.export.table import TunedTable

    name, histories = read_family(study, home, storage)
    finished = [history for history in histories if history.is_finished] or histories[:1]  # it says what is to be done
    family = family_of(study)
    listed = family.members if family else ()
    known = dict.fromkeys([*(history.name for history in histories), *(member.name for member in listed)])
    missing = [each for each in known if each not in {history.name for history in finished}]
    return name, tuple(map(TunedTable.from_history, finished)), missing


def _show_advice(name: str, tables: Sequence[TunedTable], *, as_json: bool) -> None:
    from nercc_tune.export.advice import advise as advise_on
    from nercc_tune.export.advice import describe_advice
    from nercc_tune.terminal import table_of_advice

    if as_json:
        studies = [{"study": table.study, "advice": list(map(describe_advice, advise_on(table)))} for table in tables]
        print_json({"name": name, "studies": studies})
        return
    console = make_console()
    for table in tables:
        if table.study != name:
            console.print(f"{table.study}: N = {table.entries[0].workers}", highlight=False)
        console.print(table_of_advice(advise_on(table)))


def _show_needs(name: str, levels: Sequence[Level], floor: float, *, as_json: bool) -> None:
    from nercc_tune.export.needs import describe_need, find_need
    from nercc_tune.terminal import line_of_need, table_of_needs

    needs = [find_need(level, floor) for level in levels]
    if as_json:
        print_json({"name": name, "needs": list(map(describe_need, needs))})
        return
    console = make_console()
    console.print(table_of_needs(needs))
    for need in needs:
        console.print(line_of_need(need), highlight=False, soft_wrap=True)


def _levels(redundancy: Redundancy, *, share: float | None, stragglers: int | None) -> tuple[Level, ...]:
    """Return what was asked for: one share or count of stragglers, or all that were judged."""
    from nercc_tune.spec.redundancy import count_of

    if share is not None:
        wanted = [count_of(share, workers) for workers in redundancy.workers]
        return (redundancy.at_least(wanted, title=f"S = {100 * share:g} % of N"),)
    if stragglers is not None:
        return (redundancy.at_least([stragglers] * len(redundancy.tables), title=f"S = {stragglers}"),)
    return redundancy.levels

"""The file of typical answers beside a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file, save_file

from nercc_tune.coding import Typical
from nercc_tune.errors import TableError
from nercc_tune.export.attachments import Attachments, attached_files, read_attachments
from nercc_tune.export.formats import write_table
from nercc_tune.export.table import TunedTable, parse_table, read_table
from nercc_tune.export.typical import pack_typical, read_typical, typical_path
from nercc_tune.records import Distrust
from tests.served import screening_table, typical_of

_DISTRUST = Distrust(kind="residuals", level=4.0, most=3, typical=9.0)
_FIRST, _SECOND = typical_of(seed=0), typical_of(seed=1, classes=2)
_ATTACHED = Attachments(typical={item.digest: item for item in (_FIRST, _SECOND)})


def _table() -> TunedTable:
    """Return a table whose entries look at one, and whose policy looks at another."""
    table = screening_table(_DISTRUST, _FIRST)
    return replace(table, policy=replace(table.policy, typical=_SECOND.digest))


def _equal(found: Typical, expected: Typical) -> bool:
    return torch.equal(found.means, expected.means) and torch.equal(found.precision, expected.precision)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Return a table's file with all that belongs beside it."""
    write_table(_table(), tmp_path / "table.json", attachments=_ATTACHED)
    return tmp_path / "table.json"


def test_what_was_written_is_read_to_the_last_digit(written: Path) -> None:
    table = read_table(written)
    assert table == _table()
    assert table.typical == (_SECOND.digest, _FIRST.digest)
    found = read_attachments(table, beside=written)
    assert set(found.typical) == set(table.typical)
    for digest, item in found.typical.items():
        assert item.digest == digest
        assert _equal(item, _ATTACHED.typical[digest])
        assert item.means.dtype == item.precision.dtype == torch.float64
    assert not found.moments
    assert not found.networks


def test_the_file_lies_beside_the_table_and_holds_each_once(written: Path) -> None:
    assert {path.name for path in written.parent.iterdir()} == {"table.json", "table-typical.safetensors"}
    stored = load_file(typical_path(written))
    assert {tensor.dtype for tensor in stored.values()} == {torch.float32}
    assert {name.partition(".")[0] for name in stored} == {_FIRST.digest, _SECOND.digest}
    assert set(load(pack_typical([_FIRST, _SECOND, _FIRST]))) == set(stored)


def test_a_table_that_looks_at_nothing_has_no_file(tmp_path: Path) -> None:
    table = screening_table(replace(_DISTRUST, typical=None), None)
    assert table.typical == ()
    assert attached_files(table, _ATTACHED, beside=tmp_path / "table.json") == {}
    assert read_typical(tmp_path / "missing.safetensors", table) == {}


@pytest.mark.parametrize("attached", [Attachments(), Attachments(typical={_FIRST.digest: _FIRST})])
def test_a_table_is_not_written_without_what_it_looks_at(attached: Attachments, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="the table needs what was not read with it"):
        write_table(_table(), tmp_path / "table.json", attachments=attached)
    assert not list(tmp_path.iterdir())


def _missing(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def _of_another_table(path: Path) -> None:
    path.write_bytes(pack_typical([typical_of(seed=2)]))


def _half_of_another_table(path: Path) -> None:
    path.write_bytes(pack_typical([_FIRST]))


def _changed_by(change: Callable[[str, torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        save_file({name: change(name, tensor).contiguous() for name, tensor in load_file(path).items()}, path)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_missing, "distrusting decoders need `.*table-typical.safetensors`, which cannot be read"),
        (_cut, "is no whole file of typical answers"),
        (_of_another_table, "holds the typical answers of another table"),
        (_half_of_another_table, "holds the typical answers of another table"),
        (_changed_by(lambda _, tensor: tensor * torch.nan), "are not finite"),
        (_changed_by(lambda _, tensor: tensor * 1.01), "do not match the table's digest"),
        (_changed_by(lambda name, tensor: tensor.flip(0) if "means" in name else tensor), "do not match the table's"),
        (_changed_by(lambda _, tensor: tensor[:-1]), "do not fit together"),
        (_changed_by(lambda _, tensor: tensor[:0, :0]), "do not fit together"),
        (_changed_by(lambda _, tensor: tensor.flatten()), "do not fit together"),
    ],
)
def test_a_file_that_is_not_the_tables_is_refused_in_a_line(
    spoil: Callable[[Path], None], message: str, written: Path
) -> None:
    spoil(typical_path(written))
    with pytest.raises(TableError, match=message) as refused:
        read_attachments(read_table(written), beside=written)
    assert str(refused.value).isprintable()
    assert "export the table again, which writes all its files" in str(refused.value)


def _only_in_one_entry(table: TunedTable) -> TunedTable:
    first, second = table.policy.entries
    trusting = replace(first, distrust=replace(_DISTRUST, typical=None))
    return replace(table, policy=replace(table.policy, entries=(trusting, second)))


def _without_in_the_policy(table: TunedTable) -> TunedTable:
    entries = tuple(replace(entry, distrust=None) for entry in table.policy.entries)
    return replace(table, policy=replace(table.policy, entries=entries, typical=None))


@pytest.mark.parametrize("change", [_only_in_one_entry, _without_in_the_policy])
def test_the_policy_looks_where_any_of_its_entries_does(change: Callable[[TunedTable], TunedTable]) -> None:
    table = change(_table())
    assert parse_table(table.to_json()) == table


def _bare(table: TunedTable) -> TunedTable:
    return replace(table, entries=(replace(table.entries[0], typical=None), *table.entries[1:]))


def _needless(table: TunedTable) -> TunedTable:
    first = replace(table.entries[0], distrust=replace(_DISTRUST, typical=None))
    return replace(table, entries=(first, *table.entries[1:]))


def _trusting(table: TunedTable) -> TunedTable:
    return replace(table, entries=(replace(table.entries[0], distrust=None), *table.entries[1:]))


def _bare_policy(table: TunedTable) -> TunedTable:
    return replace(table, policy=replace(table.policy, typical=None))


def _needless_policy(table: TunedTable) -> TunedTable:
    return replace(
        _without_in_the_policy(table), policy=replace(_without_in_the_policy(table).policy, typical="0" * 64)
    )


@pytest.mark.parametrize("change", [_bare, _needless, _trusting, _bare_policy, _needless_policy])
def test_a_bound_and_a_digest_go_together(change: Callable[[TunedTable], TunedTable]) -> None:
    with pytest.raises(
        TableError, match=r"`typical` where a `distrust` of theirs has it, and only there\.$"
    ) as refused:
        parse_table(change(_table()).to_json())
    assert str(refused.value).isprintable()


def test_a_bound_makes_another_digest_of_the_table() -> None:
    bounds = (None, 9.0, 9.5)
    tables = [screening_table(replace(_DISTRUST, typical=bound), _FIRST if bound else None) for bound in bounds]
    assert len({table.digest for table in (*tables, _table())}) == 4

from __future__ import annotations

import json

from nercc_tune.doctor import Finding
from nercc_tune.terminal.findings import describe_findings, is_usable, table_of_findings
from tests.terminal.shown import shown

_GOOD = Finding(what="storage", is_ok=True, text="answers [bold]at once[/bold]", is_needed=True)
_WARNING = Finding(what="weights x", is_ok=False, text="none")
_BAD = Finding(what="tracking", is_ok=False, text="cannot be reached", is_needed=True)


def test_each_finding_has_a_row_with_its_verdict() -> None:
    text = shown(table_of_findings([_GOOD, _WARNING, _BAD]))
    rows = [row.split(maxsplit=1)[0] for row in text.splitlines() if row.strip()]
    assert rows == ["what", "ok", "missing", "unusable"]
    assert "answers [bold]at once[/bold]" in text


def test_a_warning_leaves_a_machine_usable() -> None:
    assert is_usable([_GOOD, _WARNING])
    assert not is_usable([_GOOD, _BAD])


def test_findings_are_json() -> None:
    values = json.loads(json.dumps(describe_findings([_WARNING, _BAD]), allow_nan=False))
    assert not values["is_usable"]
    assert values["findings"][0] == {"what": "weights x", "is_ok": False, "text": "none", "is_needed": False}

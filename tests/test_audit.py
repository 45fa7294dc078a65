"""What the audit of the installed packages makes of the answers of pip-audit."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

AUDIT = Path(__file__).parents[1] / ".ci" / "audit.py"
UNKNOWN = "Dependency not found on PyPI and could not be audited: numpy (2.3.0)"


def _judge(packages: list[dict[str, Any]]) -> tuple[list[str], int]:
    report = json.dumps({"dependencies": [{"name": "nercc-tune", "skip_reason": UNKNOWN}, *packages]})
    lines, code = runpy.run_path(str(AUDIT))["judge"](report, "")
    return list(lines), int(code)


def test_a_package_without_flaws_passes() -> None:
    lines, code = _judge([{"name": "numpy", "version": "2.3.0", "vulns": []}])
    assert lines == ["audit: 1 of 1 packages were audited; 0 vulnerabilities were found."]
    assert code == 0


def test_a_vulnerability_fails_the_run() -> None:
    flaw = {"id": "PYSEC-2026-1", "fix_versions": ["2.3.1"], "aliases": [], "description": "…"}
    unmended = {"id": "PYSEC-2026-2", "fix_versions": []}
    lines, code = _judge([{"name": "numpy", "version": "2.3.0", "vulns": [flaw, unmended]}])
    assert lines == [
        "numpy 2.3.0: PYSEC-2026-1, mended in 2.3.1",
        "numpy 2.3.0: PYSEC-2026-2, mended in no version yet",
        "audit: 1 of 1 packages were audited; 2 vulnerabilities were found.",
    ]
    assert code == 1


def test_unknown_packages_are_counted_and_pass() -> None:
    packages: list[dict[str, Any]] = [
        {"name": "numpy", "skip_reason": UNKNOWN},
        {"name": "scipy", "version": "1.16.0", "vulns": []},
    ]
    lines, code = _judge(packages)
    assert lines == ["audit: 1 of 2 packages were audited; the service does not know 1; 0 vulnerabilities were found."]
    assert code == 0


@pytest.mark.parametrize(
    ("complaints", "expected"),
    [
        ("Traceback …\nrequests.exceptions.ProxyError: Max retries exceeded", 0),
        ("ERROR:pip_audit._cli:Connection timed out\n", 0),
        ("/usr/bin/python: No module named pip_audit\n", 2),
        ("", 2),
    ],
)
def test_only_a_service_out_of_reach_is_passed_over(complaints: str, expected: int) -> None:
    lines, code = runpy.run_path(str(AUDIT))["judge"]("", complaints)
    assert lines[0].startswith("audit: no package was audited: ")
    assert code == expected

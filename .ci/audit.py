"""Look up the packages of this environment in a database of known vulnerabilities, by pip-audit.

A vulnerability fails the run. A package that the service does not know, or a service out of reach, does not: where
there is no way to the Internet nothing would ever pass. How many packages were left out is said in one line, so that
a run which audited nothing cannot be taken for one that found nothing.

    uv run python .ci/audit.py [OPTIONS OF pip-audit]
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_OURS = "nercc-tune"
_LONGEST_S = 600
# What the errors of pip-audit and of its HTTP client say when the service does not answer, or not as it should.
_OUT_OF_REACH = ("Connection", "ServiceError", "HTTPError", "Timeout", "ProxyError", "SSLError")


def main(options: list[str]) -> int:
    """Audit, print what was found, and return the exit code."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", *options]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program
            command, capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"audit: no package was audited: no answer within {_LONGEST_S} s.")
        return 0
    lines, code = judge(done.stdout, done.stderr)
    print("\n".join(lines))
    return code


def judge(report: str, complaints: str) -> tuple[list[str], int]:
    """Return what to print and the exit code, from what pip-audit wrote to its two outputs.

    It ends with code 1 both when it finds something and when it cannot work; only in the former case is there a report.
    """
    try:
        found: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except ValueError:
        reason = (complaints.strip().splitlines() or ["no reason was given"])[-1]
        is_out_of_reach = any(word in complaints for word in _OUT_OF_REACH)
        return [f"audit: no package was audited: {reason}"], 0 if is_out_of_reach else 2
    others = [package for package in found if package["name"] != _OURS]
    unknown = sum("skip_reason" in package for package in others)
    flaws = [_describe(package, flaw) for package in others for flaw in package.get("vulns", ())]
    left_out = f"; the service does not know {unknown}" if unknown else ""
    counts = f"audit: {len(others) - unknown} of {len(others)} packages were audited{left_out}"
    return [*flaws, f"{counts}; {len(flaws)} vulnerabilities were found."], 1 if flaws else 0


def _describe(package: dict[str, Any], flaw: dict[str, Any]) -> str:
    mended = ", ".join(flaw["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {flaw['id']}, mended in {mended}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

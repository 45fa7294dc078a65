"""What must not lie in the repository: secrets, and files that run code when they are read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECRETS = {
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a key of PuTTY": rb"PuTTY-User-Key-File-\d",
    "an access key of AWS": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,})",
    "a token of GitLab": rb"\bglpat-[A-Za-z0-9_-]{20}",
    "a token of PyPI": rb"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50}",
    "a token of Hugging Face": rb"\bhf_[A-Za-z]{34}\b",
    "a token of Slack": rb"\bxox[abprs]-[A-Za-z0-9-]{10}",
    "a key of Google": rb"\bAIza[0-9A-Za-z_-]{35}",
}
URL_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^\s:/@\"'`]+:([^\s\"'`@]+)@", re.IGNORECASE)
# A password of so few letters is nobody's; longer ones in the tests say what they are.
LONGEST_EXAMPLE = 8
EXAMPLES = re.compile(r"secret|password|\*\*\*|\{\w+\}", re.IGNORECASE)
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".npy")
PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Return the files that git tracks and that are there."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    shown = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607 - wherever git is
    paths = [ROOT / name for name in shown.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def secrets_in(content: bytes) -> list[str]:
    """Return which kinds of secrets some bytes hold."""
    return [kind for kind, pattern in SECRETS.items() if re.search(pattern, content)]


def passwords_in(text: str) -> list[str]:
    """Return the passwords of URLs that are no examples."""
    found = URL_PASSWORD.findall(text)
    return [password for password in found if len(password) > LONGEST_EXAMPLE and not EXAMPLES.search(password)]


def test_no_tracked_file_holds_a_secret(tracked: list[Path]) -> None:
    found = {str(path.relative_to(ROOT)): kinds for path in tracked if (kinds := secrets_in(path.read_bytes()))}
    assert found == {}


def test_no_tracked_file_holds_the_password_of_a_url(tracked: list[Path]) -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8", errors="replace") for path in tracked}
    assert {name: found for name, text in texts.items() if (found := passwords_in(text))} == {}


def test_no_tracked_file_is_a_pickle(tracked: list[Path]) -> None:
    assert [path.name for path in tracked if path.suffix in PICKLES] == []
    assert [path.name for path in tracked if path.read_bytes()[:2] in PICKLE_STARTS] == []


def test_secrets_would_be_found() -> None:
    """Put together here, so that this file passes."""
    examples = {
        "a private key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
        "an access key of AWS": "id = " + "AKIA" + 16 * "A",
        "a token of GitHub": "ghp" + "_" + 36 * "a",
        "a token of Hugging Face": "hf" + "_" + 34 * "a",
    }
    for kind, text in examples.items():
        assert secrets_in(text.encode()) == [kind]


@pytest.mark.parametrize(
    ("url", "is_found"),
    [
        ("postgresql://ann:{}@db/optuna", True),
        ("url = 'postgresql+psycopg://ann:{}@127.0.0.1:5432/x'", True),
        ("https://host/{}@x", False),
    ],
)
def test_passwords_of_urls_would_be_found(url: str, is_found: bool) -> None:
    password = 4 * "f00d"
    assert passwords_in(url.format(password)) == ([password] if is_found else [])
    assert passwords_in(url.format("secret")) == []

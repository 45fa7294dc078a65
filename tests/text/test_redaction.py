from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy import URL

from nercc_tune.text.redaction import masked, redact, without_password

PASSWORDS = [
    "secret",
    "a/b@c:d%e",
    "100%25",
    "p w+d",
    "ünïcode€",
    "back\\slash'quote\"",
    "{brace}$",
    "?x=1&y#z",
    "@@",
    "x",
]


def _url(password: str) -> str:
    return URL.create("postgresql+psycopg", "ann", password, "db", 5432, "optuna").render_as_string(hide_password=False)


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_password_of_a_url_is_masked_and_the_rest_is_shown(password: str) -> None:
    assert masked(_url(password)) == "postgresql+psycopg://ann:***@db:5432/optuna"


@pytest.mark.parametrize("password", [password for password in PASSWORDS if " " not in password])
def test_a_password_that_was_not_quoted_is_masked_too(password: str) -> None:
    assert masked(f"postgresql://ann:{password}@db/optuna") == "postgresql://ann:***@db/optuna"


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "quoting",
    [str, quote, quote_plus, lambda text: quote(text, safe=""), repr, json.dumps, lambda text: f"<{text}>"],
    ids=["plain", "quote", "quote_plus", "quote all", "repr", "json", "brackets"],
)
def test_every_form_of_a_password_is_taken_out_of_a_text(password: str, quoting: type[str]) -> None:
    text = without_password(f"login with {quoting(password)} failed", _url(password))
    assert text.startswith("login with ")
    assert text.endswith(" failed")
    middle = text.removeprefix("login with ").removesuffix(" failed")
    assert middle.strip("<>\"'") == "***"


def test_a_password_that_was_quoted_is_found_as_it_was_meant() -> None:
    url = "postgresql://ann:s%2Fcret@db/optuna"
    assert without_password("s/cret, s%2Fcret and s%2fcret", url.replace("%2F", "%2f")) == "***, *** and ***"


@pytest.mark.parametrize("key", ["password", "sslpassword", "token", "access_token", "client_secret", "PASSWORD"])
def test_a_password_among_the_parameters_is_masked(key: str) -> None:
    url = f"postgresql://db/optuna?user=ann&{key}=secret&sslmode=require"
    assert masked(url) == f"postgresql://db/optuna?user=ann&{key}=***&sslmode=require"
    assert without_password("it was secret", url) == "it was ***"


def test_parts_of_an_unquoted_password_that_were_taken_for_the_host_are_masked() -> None:
    url = "postgresql://ann:pass@w0rd:x1y2/z3z4@db/optuna"
    assert (
        without_password("no host w0rd, port x1y2, database z3z4@db", url) == "no host ***, port ***, database ***@db"
    )


def test_a_short_password_does_not_eat_the_message() -> None:
    assert without_password("a database at db, not a.b", "postgresql://ann:a@db/x") == "*** database at db, not ***.b"


def test_urls_without_a_password_stay() -> None:
    for url in ("sqlite:////home/ann/optuna.db", "postgresql://ann@db:5432/optuna", "http://host:5000/x?page=2"):
        assert masked(url) == redact(url) == without_password(url, url) == url


@pytest.mark.parametrize("text", ["", "here", "ann:secret@db", "://ann:secret@db"])
def test_what_is_no_url_is_not_shown(text: str) -> None:
    assert masked(text) == "<malformed URL>"


def test_all_urls_of_a_text_are_redacted() -> None:
    text = "moved http://ann:secret@a/x to http://bob:se:cr/et@b/y, dsn host=c password=secret user=d"
    assert redact(text) == "moved http://ann:***@a/x to http://bob:***@b/y, dsn host=c password=*** user=d"

"""Keeps passwords out of what is shown: of URLs, and of any text that quotes one."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

_HIDDEN = "***"
_SCHEME = re.compile(r"[a-z][\w+.-]*://", re.IGNORECASE)
_USER_INFO = re.compile(r"(://[^:/\s]*:)(.*)(@)", re.DOTALL)  # to the last @: an unquoted password may hold some
_QUOTED_USER_INFO = re.compile(r"(://[^:/@\s]*):\S*@")
_PARAMETER = re.compile(r"([?&;\s](?:\w*password|\w*token|\w*secret|pwd)=)([^&;\s]*)", re.IGNORECASE)
_SHORT = 4
"""Below this many characters a password is hidden only where it stands alone: `a` is in nearly every word."""


def masked(url: str) -> str:
    """Return a URL with its passwords as `***`, also where it is malformed.

    >>> masked("postgresql://ann:s/e@c:r%40et@db:5432/optuna?sslpassword=x")
    'postgresql://ann:***@db:5432/optuna?sslpassword=***'
    >>> masked("sqlite:///optuna.db")
    'sqlite:///optuna.db'
    >>> masked("ann:secret")
    '<malformed URL>'
    """
    if not _SCHEME.match(url):
        return "<malformed URL>"
    return _PARAMETER.sub(rf"\1{_HIDDEN}", _USER_INFO.sub(rf"\1{_HIDDEN}\3", url))


def redact(text: str) -> str:
    """Return a text with the passwords of all URLs in it as `***`.

    >>> redact("cannot reach postgresql://ann:secret@db/mlflow, nor http://host/?token=abc")
    'cannot reach postgresql://ann:***@db/mlflow, nor http://host/?token=***'
    """
    return _PARAMETER.sub(rf"\1{_HIDDEN}", _QUOTED_USER_INFO.sub(rf"\1:{_HIDDEN}@", text))


def without_password(text: str, url: str) -> str:
    """Return a text without the passwords of a URL, in whatever form it quotes them.

    The forms are as written, percent-decoded, percent-encoded, and as `repr` and JSON show it.

    >>> without_password("login of ann with s/e failed", "postgresql://ann:s%2Fe@db/optuna")
    'login of ann with *** failed'
    """
    hidden = text
    for form in sorted(_forms(url), key=len, reverse=True):
        alone = len(form) < _SHORT
        hidden = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)" if alone else re.escape(form), _HIDDEN, hidden)
    return redact(hidden)


def _forms(url: str) -> set[str]:
    found = [match.group(2) for match in (*_USER_INFO.finditer(url), *_PARAMETER.finditer(url))]
    found += [part for secret in found if "@" in secret for part in re.split("[@:/?]", secret)]  # taken for a host
    plain = {form for secret in found for form in (secret, unquote(secret), unquote_plus(secret))}
    quoted = {form for secret in plain for form in (quote(secret), quote(secret, safe=""), quote_plus(secret))}
    quoted |= {quote(secret, safe=" +") for secret in plain}  # SQLAlchemy's
    escaped = {shown[1:-1] for secret in plain for shown in (repr(secret), json.dumps(secret))}
    escaped |= {json.dumps(secret, ensure_ascii=False)[1:-1] for secret in plain}
    return (plain | quoted | escaped) - {""}

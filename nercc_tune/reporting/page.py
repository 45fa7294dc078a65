"""A report as one HTML file that needs nothing else: no script, no other file, no other host."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["Image", "render_page"]

_LINKS = ("#", "https://arxiv.org/")
"""What a report may link to; anything else stays text, since study files may name it."""
_IN_DATA_URI = "/:;,=+-@!*$~()' "  # as it is within double quotes; escaping it would make a drawing a fifth longer
_BEFORE_INTERVAL = re.compile(r" (?=\[)")
_NO_WORD = re.compile(r"[^\w]+")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="generator" content="nercc_tune">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture that a page holds within itself; `kind` is `png` or `svg`."""

    kind: str
    content: bytes

    @property
    def uri(self) -> str:
        """The picture as a `data:` address."""
        if self.kind == "svg":
            return f"data:image/svg+xml,{quote(self.content.decode(), safe=_IN_DATA_URI)}"
        return f"data:image/{self.kind};base64,{b64encode(self.content).decode()}"


def render_page(markdown: str, *, title: str, images: Mapping[str, Image]) -> str:
    """Return Markdown with tables as an HTML page; equal arguments give equal pages.

    HTML within the Markdown is shown, not obeyed. Links lead within the page or to arXiv, and pictures are those given.

    Args:
        markdown: Headings, paragraphs, lists, tables, code and figures: an image, then its caption in italics. A bold
            paragraph before a table becomes the table's caption.
        title: Of the window.
        images: By their addresses in the Markdown.
    """
    reader = _Reader(images)
    tokens = list(_with_figures(list(_with_captions(reader.parse(markdown)))))
    contents = _name_headings(tokens)
    rendered: str = reader.renderer.render(tokens, reader.options, {})
    head, opening, rest = rendered.partition("<h2")
    body = f"{head}{_contents(contents)}{opening}{rest}"
    style = (resources.files("nercc_tune.reporting") / "page.css").read_text(encoding="utf-8")
    return _PAGE.format(title=escape(title), style=style, body=body)


class _Reader(MarkdownIt):
    """Reads the Markdown of a report, and writes its tables and pictures so that everyone can get at them."""

    def __init__(self, images: Mapping[str, Image]) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable("table")
        self._images = images
        self._is_first_cell = False
        self._ends: list[str] = []
        rules: dict[str, Callable[[Sequence[Token], int], str]] = {
            "image": self._image,
            "text": self._text,
            "table_open": _open_table,
            "table_close": lambda _tokens, _at: "</table>\n</div>\n",
            "tr_open": self._open_row,
            "th_open": self._open_head,
            "td_open": self._open_cell,
            "td_close": self._close_cell,
        }
        for name, rule in rules.items():
            self.add_render_rule(name, _rendering(rule))

    def validateLink(self, url: str) -> bool:  # noqa: N802 - markdown-it's name
        return url in self._images or url.startswith(_LINKS)

    def _image(self, tokens: Sequence[Token], at: int) -> str:
        token = tokens[at]
        image = self._images.get(str(token.attrGet("src")))
        return f'<img src="{image.uri}" alt="{escape(token.content)}">' if image else escape(token.content)

    def _text(self, tokens: Sequence[Token], at: int) -> str:
        """Write text, that of a table's cell so that on paper it breaks before an interval only."""
        text = escape(tokens[at].content)
        return (
            " ".join(f'<span class="whole">{part}</span>' for part in _BEFORE_INTERVAL.split(text))
            if self._ends
            else text
        )

    def _open_row(self, _tokens: Sequence[Token], _at: int) -> str:
        self._is_first_cell = True
        return "<tr>\n"

    def _open_head(self, tokens: Sequence[Token], at: int) -> str:
        return f'<th scope="col"{_alignment(tokens[at])}>'

    def _open_cell(self, tokens: Sequence[Token], at: int) -> str:
        """Open a cell; the first of a row is what the row is about."""
        self._ends.append("th" if self._is_first_cell else "td")
        scope = ' scope="row"' if self._is_first_cell else ""
        self._is_first_cell = False
        return f"<{self._ends[-1]}{scope}{_alignment(tokens[at])}>"

    def _close_cell(self, _tokens: Sequence[Token], _at: int) -> str:
        return f"</{self._ends.pop()}>\n"


def _rendering(rule: Callable[[Sequence[Token], int], str]) -> Callable[..., str]:
    """Return what markdown-it calls: it hands over itself, its options and what was found besides."""

    def render(_renderer: object, tokens: Sequence[Token], at: int, _options: object, _found: object) -> str:
        return rule(tokens, at)

    return render


def _alignment(token: Token) -> str:
    return ' class="number"' if "right" in str(token.attrGet("style")) else ""


def _open_table(tokens: Sequence[Token], at: int) -> str:
    """Open a table in a frame that scrolls sideways, with the keyboard as well."""
    caption, section = escape(tokens[at].meta.get("caption", "")), escape(tokens[at].meta.get("section", ""))
    label = f"{section}: {caption}" if caption else section
    shown = f"<caption>{caption}</caption>\n" if caption else ""
    return f'<div class="wide" role="region" aria-label="{label}" tabindex="0">\n<table>\n{shown}'


def _with_captions(tokens: Sequence[Token]) -> Iterator[Token]:
    """Turn bold paragraphs before tables into their captions, and tell each table the section that it is in."""
    section, at = "", 0
    while at < len(tokens):
        token = tokens[at]
        if token.type == "heading_open":
            section = _text(tokens[at + 1])
        if _is_only(tokens[at : at + 3], "strong_open") and _type(tokens, at + 3) == "table_open":
            tokens[at + 3].meta["caption"] = _text(tokens[at + 1])
            at += 3
            continue
        if token.type == "table_open":
            token.meta["section"] = section
        yield token
        at += 1


def _with_figures(tokens: Sequence[Token]) -> Iterator[Token]:
    """Put an image that is a paragraph of its own, and the paragraph in italics after it, into a figure."""
    at = 0
    while at < len(tokens):
        if not _is_only(tokens[at : at + 3], "image"):
            yield tokens[at]
            at += 1
            continue
        yield Token("figure_open", "figure", 1, block=True)
        yield tokens[at + 1]
        at += 3
        if _is_only(tokens[at : at + 3], "em_open"):
            yield Token("figcaption_open", "figcaption", 1, block=True)
            yield tokens[at + 1]
            yield Token("figcaption_close", "figcaption", -1, block=True)
            at += 3
        yield Token("figure_close", "figure", -1, block=True)


def _is_only(tokens: Sequence[Token], kind: str) -> bool:
    """Whether tokens are a paragraph of one thing: an image, or text in one emphasis."""
    if [token.type for token in tokens] != ["paragraph_open", "inline", "paragraph_close"]:
        return False
    children = [child.type for child in tokens[1].children or [] if child.content or child.type != "text"]
    closing = kind.replace("_open", "_close")
    return bool(children) and (children[0], children[-1]) == (kind, closing) and children.count(closing) == 1


def _type(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].type if at < len(tokens) else ""


def _text(inline: Token) -> str:
    return "".join(child.content for child in inline.children or [])


def _name_headings(tokens: Sequence[Token]) -> dict[str, str]:
    """Give each heading a name to link to, and return the texts of the second level by name."""
    found: dict[str, str] = {}
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            text = _text(tokens[at + 1])
            name = _NO_WORD.sub("-", text.lower()).strip("-")
            token.attrSet("id", name)
            if token.tag == "h2":
                found[name] = text
    return found


def _contents(headings: Mapping[str, str]) -> str:
    items = "".join(f'<li><a href="#{escape(name)}">{escape(text)}</a></li>\n' for name, text in headings.items())
    return f'<nav aria-label="Contents">\n<ul>\n{items}</ul>\n</nav>\n' if items else ""

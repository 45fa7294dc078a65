from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from nercc_tune.reporting.page import Image, render_page

_VOID = {"meta", "img", "link", "br", "hr", "input"}
_PNG = Image(kind="png", content=b"\x89PNG\r\n")
_SVG = Image(kind="svg", content=b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M 0 0 #%"/></svg>\n')


@dataclass
class Reading(HTMLParser):
    """A page as it is read: every element is closed in its turn."""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    opened: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.opened[-1] if self.opened else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text_of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def read_page(page: str) -> Reading:
    """Read a page, and assert that it is well formed and needs nothing else."""
    reading = Reading()
    reading.feed(page)
    reading.close()
    assert reading.opened == []
    assert not reading.all("script")
    assert not reading.all("link")
    for tag, attributes in reading.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("src", "data:").startswith("data:")
        assert "srcset" not in attributes
        assert attributes.get("href", "#").startswith(("#", "https://arxiv.org/")), tag
    (style,) = reading.text_of("style")
    assert "url(" not in style
    assert "@import" not in style
    return reading


def _render(markdown: str, **images: Image) -> Reading:
    return read_page(
        render_page(markdown, title="t", images={f"figures/{name}.png": image for name, image in images.items()})
    )


def test_a_page_names_language_title_and_schemes() -> None:
    page = render_page("# x", title="a <b> & c", images={})
    reading = read_page(page)
    assert page.startswith("<!doctype html>\n")
    assert reading.all("html") == [{"lang": "en"}]
    assert reading.text_of("title") == ["a <b> & c"]
    metas = {attributes.get("name"): attributes.get("content") for attributes in reading.all("meta")}
    assert metas["color-scheme"] == "light dark"
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page


def test_equal_arguments_give_equal_pages() -> None:
    first, second = (render_page("# x\n\n![a](f)", title="t", images={"f": _SVG}) for _ in range(2))
    assert first == second


def test_html_within_markdown_is_shown_and_not_obeyed() -> None:
    reading = _render(
        '# <script>alert(1)</script>\n\n<img src="https://host/x"> & <b>\n\n`<i>`\n\n```toml\n"<u>" = 1\n```'
    )
    assert reading.text_of("h1") == ["<script>alert(1)</script>"]
    assert not reading.all("b")
    assert reading.text_of("code") == ["<i>", '"<u>" = 1']


def test_pictures_and_links_to_elsewhere_stay_text() -> None:
    reading = _render(
        "![x](https://host/x.png) [y](https://host/y) [z](javascript:alert) <https://host/z> [up](../secret)\n\n"
        "[paper](https://arxiv.org/abs/2402.04377) [here](#x)"
    )
    assert not reading.all("img")
    assert [link["href"] for link in reading.all("a")] == ["https://arxiv.org/abs/2402.04377", "#x"]


def test_a_figure_holds_its_picture_with_its_alternative_and_caption() -> None:
    reading = _render(
        '![what <is> "seen"](figures/a.png)\n\n*The caption.*\n\n![bare](figures/b.png)\n\nx', a=_PNG, b=_SVG
    )
    first, second = reading.all("img")
    assert first == {"src": "data:image/png;base64,iVBORw0K", "alt": 'what <is> "seen"'}
    assert second["alt"] == "bare"
    assert second["src"].startswith("data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22%3E")
    assert "%23%25" in second["src"]
    assert len(reading.all("figure")) == 2
    assert len(reading.all("figcaption")) == 1
    assert "The caption." in reading.text_of("em")
    assert reading.text_of("p") == ["x"]


_TABLE = "| S | MSE | code |\n| --: | --: | :-- |\n| 20 | 0.1 [0.0, 0.2] | a b |\n"


def test_a_table_has_caption_headers_and_a_frame_that_scrolls() -> None:
    reading = _render(f"## Results & more\n\n**Tuned *pairs***\n\n{_TABLE}\n{_TABLE}")
    first, second = reading.all("div")
    assert first == {"class": "wide", "role": "region", "aria-label": "Results & more: Tuned pairs", "tabindex": "0"}
    assert second["aria-label"] == "Results & more"
    assert reading.text_of("caption") == ["Tuned pairs"]
    assert [cell["scope"] for cell in reading.all("th")] == ["col", "col", "col", "row"] * 2
    assert [cell.get("class") for cell in reading.all("td")] == ["number", None] * 2
    assert reading.text_of("span")[:4] == ["20", "0.1", "[0.0, 0.2]", "a b"]
    assert reading.text_of("th")[:3] == ["S", "MSE", "code"]


def test_bold_text_elsewhere_is_no_caption() -> None:
    reading = _render(f"**alone**\n\n**a** and **b**\n\n{_TABLE}")
    assert not reading.all("caption")
    assert reading.text_of("strong") == ["alone", "a", "b"]


def test_parts_can_be_linked_to_and_are_listed_before_the_first() -> None:
    page = render_page("# Study `x`\n\nopening\n\n## Which code?\n\na\n\n## Seeds\n\nb", title="t", images={})
    reading = read_page(page)
    assert [heading["id"] for heading in reading.all("h2")] == ["which-code", "seeds"]
    assert [link["href"] for link in reading.all("a")] == ["#which-code", "#seeds"]
    assert re.search(r"opening</p>\s*<nav.*</nav>\s*<h2", page, re.DOTALL)
    assert not _render("# only").all("nav")

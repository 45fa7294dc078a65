"""The pages, in the order of the menu."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .coded_queries import show_coded_queries
from .context import Context
from .deploy import show_deploy
from .landscape import show_landscape
from .overview import show_overview
from .service import show_service
from .stragglers import show_stragglers


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of the menu."""

    title: str
    path: str
    show: Callable[[Context], None]


PAGES = (
    Page(title="Overview", path="overview", show=show_overview),
    Page(title="Landscape", path="landscape", show=show_landscape),
    Page(title="Stragglers", path="stragglers", show=show_stragglers),
    Page(title="Coded queries", path="coded-queries", show=show_coded_queries),
    Page(title="Deploy", path="deploy", show=show_deploy),
    Page(title="Service", path="service", show=show_service),
)

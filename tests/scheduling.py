"""Which tests one process runs one after the other, where several processes share the suite."""

from __future__ import annotations

from xdist.scheduler.loadscope import LoadScopeScheduling

__all__ = ["SharingScheduler"]

_SHARING = (
    "tests/browser/",
    "tests/hosting/test_host.py",
    "tests/launch/crews/test_ray.py",
    "tests/tracking/test_outage.py",
)
"""Files whose tests share what takes a minute to start, a Ray cluster or a site, or a server that they stop."""


class SharingScheduler(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Gives a whole file of `_SHARING` to one process, and every other test to whichever is free."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        return file if file.startswith(_SHARING) else nodeid

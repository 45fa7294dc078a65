"""What a launch checks before it loads or writes anything."""

from __future__ import annotations

from nercc_tune.home import Home
from nercc_tune.home.stores import check_apart, storage_url, tracking_url
from nercc_tune.launch.crews import check_crew
from nercc_tune.launch.preparation import Preparation
from nercc_tune.spec import StudySpec
from nercc_tune.tracking.reachability import check_tracking
from nercc_tune.tuning import check_identity, closing_storage, is_absent, open_storage

__all__ = ["check_launch"]


def check_launch(preparation: Preparation, *, fresh: bool) -> None:
    """Check the study file and both stores of a study, and that nobody launches it; nothing is loaded or written.

    Raises:
        NerccTuneError: If something of the study cannot be used.
    """
    spec, home = preparation.spec, preparation.home
    preparation.check()
    home.check_free(spec.name)
    check_crew(spec.resources)
    check_apart(spec, home)
    check_tracking(tracking_url(spec, home))
    _check_before_writing(spec, home, fresh=fresh)


def _check_before_writing(spec: StudySpec, home: Home, *, fresh: bool) -> None:
    """Refuse a storage that cannot be used or, unless it starts over, a study whose name stands for another one there.

    No storage is made to look into.
    """
    url = storage_url(spec, home)
    if is_absent(url):
        return
    with closing_storage(open_storage(url)) as storage:
        if not fresh:
            check_identity(storage, spec)

from __future__ import annotations

import pytest

from nercc_tune.errors import SpecError
from nercc_tune.inference import check_designs
from tests.fakes import tiny_spec

_GOOD = (
    (),
    ("search.orderings=['arrival', 'nearest-neighbour', 'projection']",),
    ("search.nodes=['chebyshev', 'uniform', 'systematic', 'chord-length']",),
    ("code.assignment=interleaved", "code.rack=3"),
    ("search.assignments=['identity', 'interleaved']", "code.rack=12"),
    ("code.nodes=systematic", "code.workers=5", "code.stragglers=[2]"),
)
_BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "ordering": (("code.ordering=alphabetical",), r"`ordering` must be one of .*, but got 'alphabetical'"),
    "nodes": (("code.nodes=random",), r"`nodes` must be one of .*, but got 'random'"),
    "assignment": (("code.assignment=none",), r"`assignment` must be one of identity, interleaved, but got 'none'"),
    "a searched ordering": (("search.orderings=['arrival', 'x']",), r"`ordering` must be one of .*, but got 'x'"),
    "searched nodes": (("search.nodes=['x']",), r"`nodes` must be one of .*, but got 'x'"),
    "a searched assignment": (("search.assignments=['x']",), r"`assignment` must be one of .*, but got 'x'"),
    "nodes of the baselines that are fitted": (
        ("code.nodes=chord-length",),
        r"in `code`: `nodes` must not depend on the group, .* but got 'chord-length'; list it in `search.nodes`",
    ),
    "interleaved without a rack": (("code.assignment=interleaved",), "`rack` must be at least 2 .* but got None"),
    "a searched interleaved without a rack": (("search.assignments=['interleaved']",), "`rack` must be at least 2"),
    "a rack of one": (("code.assignment=interleaved", "code.rack=1"), "`rack` must be at least 2 .* but got 1"),
    "a rack of more than all": (("code.assignment=interleaved", "code.rack=13"), "`rack` must be from 2 to 12"),
}


@pytest.mark.parametrize("overrides", _GOOD)
def test_a_design_that_can_be_had_is_accepted(overrides: tuple[str, ...]) -> None:
    check_designs(tiny_spec(*overrides))


@pytest.mark.parametrize("case", _BAD)
def test_a_design_that_cannot_be_had_is_refused_in_one_line(case: str) -> None:
    overrides, message = _BAD[case]
    with pytest.raises(SpecError, match=message) as refused:
        check_designs(tiny_spec(*overrides))
    assert "\n" not in str(refused.value)

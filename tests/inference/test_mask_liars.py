from __future__ import annotations

import numpy as np
import pytest

from nercc_tune.errors import SpecError
from nercc_tune.inference import MaskSource
from nercc_tune.inference.mask_checks import seed_of
from nercc_tune.spec import StudySpec
from nercc_tune.straggling import Part
from tests.fakes import tiny_spec

PARTS: tuple[Part, ...] = ("tuning", "validation", "heldout")
FEW = ("code={ queries = 3, workers = 12, stragglers = [2, 4] }", "search.strategy=profile")
KINDS = 'errors.kinds=["sign-flip", "normal-10", "nan"]'
COUNTED = (*FEW, KINDS, "errors.count=2")
COUNTLESS = (
    "code={ queries = 3, workers = 12 }",
    "search.strategy=profile",
    KINDS,
    "errors.probability=0.2",
    "straggling.model=independent",
    "straggling.probability=0.3",
)


def _lying(spec: StudySpec, part: Part) -> dict[int, list[list[bool]]]:
    source = MaskSource.of(spec)
    liars = source.liars(part, source.draw(part, masks=20))
    return {stragglers: of_cell.lying.tolist() for stragglers, of_cell in liars.items()}


def test_a_study_without_wrong_answers_has_no_liars() -> None:
    source = MaskSource.of(tiny_spec())
    assert source.liars("tuning", source.draw("tuning", masks=3)) == {}


@pytest.mark.parametrize("part", PARTS)
def test_as_many_lie_under_every_mask_as_the_study_says(part: Part) -> None:
    source = MaskSource.of(tiny_spec(*COUNTED))
    arrivals = source.draw(part, masks=20)
    liars = source.liars(part, arrivals)
    assert list(liars) == [2, 4]
    for stragglers, of_cell in liars.items():
        assert (of_cell.lying <= arrivals[stragglers].arrived).all()
        assert (of_cell.lying.sum(axis=1) == 2).all()
        assert of_cell.kind.tolist() == [mask % 3 for mask in range(20)]
    assert ((liars[2].lying & arrivals[4].arrived) <= liars[4].lying).all()


def test_liars_of_a_random_count_lie_with_its_probability() -> None:
    source = MaskSource.of(tiny_spec(*COUNTLESS))
    arrivals = source.draw("tuning", masks=400)
    liars = source.liars("tuning", arrivals)
    assert list(liars) == [cell.stragglers for cell in source.cells]
    for stragglers, of_cell in liars.items():
        arrived = arrivals[stragglers].arrived
        assert of_cell.lying.shape == arrived.shape
        assert of_cell.lying.sum() / arrived.sum() == pytest.approx(
            0.2, abs=0.06
        )  # five standard errors of 1200 or more


def test_sticky_liars_are_the_same_in_all_masks() -> None:
    lying = np.array(_lying(tiny_spec(*COUNTED, "errors.sticky=true"), "tuning")[2])
    assert lying.any(axis=0).sum() < np.array(_lying(tiny_spec(*COUNTED), "tuning")[2]).any(axis=0).sum()


def test_parts_and_seeds_have_liars_of_their_own() -> None:
    spec, other = tiny_spec(*COUNTED), tiny_spec(*COUNTED, "evaluation.seed=1")
    drawn = [_lying(spec, part) for part in PARTS]
    assert _lying(spec, "tuning") == drawn[0]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]
    assert _lying(other, "tuning") != drawn[0]


def test_masks_liars_and_lies_have_seeds_of_their_own() -> None:
    spec = tiny_spec(*COUNTED)
    seeds = {seed_of(spec, part, drawn=drawn) for part in PARTS for drawn in ("masks", "liars", "lies")}
    assert len(seeds) == 9


@pytest.mark.parametrize("kind", ["nan", "constant-0"])
def test_liars_that_leave_hardly_anybody_right_are_refused_before_anything_is_searched(kind: str) -> None:
    few = ("code={ queries = 3, workers = 12, stragglers = [2, 9] }", "errors.probability=0.45")
    masks = [f"evaluation.{part}_masks=40" for part in ("tuning", "validation", "heldout")]
    message = (
        r"^in `errors`: under [0-9]+ of the 40 tuning masks of S = 9 fewer than 2 answers are right; "
        r"lower `errors\.probability`\.$"
    )
    with pytest.raises(SpecError, match=message):
        MaskSource.of(tiny_spec(*few, *masks, f"errors.kinds=['sign-flip', '{kind}']"))

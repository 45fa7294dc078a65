"""Wrong answers that cannot be are one line that says how to mend it, and exit code 2, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.program import assert_one_line, run_program

FEW = ("code.queries=3", "errors.kinds=['sign-flip', 'nan']", "errors.count=2")

_BAD = {
    "an unknown kind": (
        ["errors.kinds=['astrology']"],
        "in `errors.kinds`: a kind of wrong answers must be one of sign-flip, normal-<number>, other-query, ",
    ),
    "too many liars": (
        ["errors.count=3"],
        "12 workers with 4 stragglers bear 2 wrong answers of 3 queries, but got 3.",
    ),
    "no number of liars": (["errors.kinds=['nan']", "errors={ kinds = ['nan'] }"], "either `count` or `probability`"),
    "an unknown distrust": (["search.distrusts=['trust']"], "`search.distrusts.0`: it must be 'residuals', 'huber', "),
    "a trained code": (
        ["code.kind=parity", "code.stragglers=[2]", "search.decoders=['spline']"],
        'wrong answers need `code.kind = "nercc"`, whose decoders can distrust, but got ',
    ),
    "hardly an answer left": (
        [
            "code.stragglers=[9]",
            "errors={ kinds = ['sign-flip', 'nan'], probability = 0.45 }",
            "evaluation.heldout_masks=60",
        ],
        "fewer than 2 answers are right; lower `errors.probability`",
    ),
    "no other group": (
        ["errors.kinds=['other-query']", "evaluation.validation_groups=1"],
        "the kind `other-query` needs at least 2 groups in every part",
    ),
}


@pytest.mark.parametrize("case", _BAD)
def test_what_cannot_be_wrong_is_one_line_and_exit_code_2(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides, message = _BAD[case]
    changed = [part for override in (*FEW, *overrides) for part in ("--set", override)]
    assert run_program(monkeypatch, "launch", "tiny.toml", *changed) == 2
    assert_one_line(capsys.readouterr().err, message)
    assert [path.name for path in Path().iterdir()] == ["tiny.toml"]

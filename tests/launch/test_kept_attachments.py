"""What is kept beside a table in the home."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.export.attachments import read_attachments
from nercc_tune.export.typical import typical_path
from nercc_tune.home import Home
from nercc_tune.launch.kept_attachments import keep_attachments
from nercc_tune.records import Distrust, Policy, TunedEntry
from nercc_tune.selection import Judge
from tests.builders import tuned_table
from tests.fakes import draw, tiny_inference, tiny_spec

SPEC = tiny_spec("evaluation.tuning_groups=7")
DISTRUST = Distrust(kind="residuals", level=4.0, most=2, typical=20.0)
TABLE = tuned_table(stragglers=(20, 40))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(spec=SPEC, tuning=draw(SPEC), validation=draw(SPEC, "validation"), heldout=draw(SPEC, "heldout"))


def _looking(judge: Judge, item: TunedEntry) -> TunedEntry:
    typical = judge.typical_digest_of(item.design, item.lambda_enc, [replace(item, distrust=DISTRUST).parameter])
    assert typical is not None
    return replace(item, distrust=DISTRUST, typical=typical)


def test_typical_answers_are_kept_for_those_that_look_at_them_and_no_longer(judge: Judge, home: Home) -> None:
    first, second = TABLE.entries
    table = replace(TABLE, entries=(_looking(judge, first), second))
    chosen: list[TunedEntry | Policy] = [*table.entries, table.policy]
    keep_attachments(home, judge, tiny_inference(SPEC), chosen)
    found = read_attachments(table, beside=home.table("tiny")).typical
    expected = judge.typical_of(first.design, first.lambda_enc)
    assert expected is not None
    assert set(found) == {expected.digest}
    keep_attachments(home, judge, tiny_inference(SPEC), [*TABLE.entries, TABLE.policy])
    assert not typical_path(home.table("tiny")).exists()


def test_each_encoder_has_its_own(judge: Judge, home: Home) -> None:
    first, second = TABLE.entries
    second = replace(second, lambda_enc=first.lambda_enc + 0.1)
    table = replace(TABLE, entries=(_looking(judge, first), _looking(judge, second)))
    keep_attachments(home, judge, tiny_inference(SPEC), [*table.entries])
    assert len(table.typical) == 2
    assert set(read_attachments(table, beside=home.table("tiny")).typical) == set(table.typical)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))

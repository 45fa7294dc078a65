from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.errors import SpecError
from nercc_tune.spec import build_study, load_study, parse_study
from tests.fakes import TINY, tiny_spec

_ODD_FILES = {
    "a number of 5000 digits": ("seed = " + "7" * 5000 + "\n", r"^study is not valid TOML: Exceeds the limit"),
    "brackets without end": ("seed = " + "[" * 5000 + "\n", r"^study is not valid TOML: maximum recursion depth"),
    "a key of 2000 parts": ("a" + ".a" * 2000 + " = 1\n", r"^study: tables and lists must not lie more than 16 deep"),
    "a huge number": ("name = 1" + "0" * 400 + "\n", r"`name`: it must be a valid string, but got 10+ … 0+\.$"),
    "a line break in a text": ('name = "a\\nb"\n', r"^study: a text must have at most 4096 .* but got `a b`\.$"),
    "a NUL in a text": ('name = "a\\u0000b"\n', r"^study: a text must have at most 4096 .* but got `a\\x00b`\.$"),
    "a NUL in a key": ('"a\\u0000b" = 1\n', r"^study: a text must have at most 4096 .* but got `a\\x00b`\.$"),
    "a long text": ("name = '" + "x" * 5000 + "'\n", r"^study: a text must have at most 4096 .* but got `x+ … x+`\.$"),
    "a long key": ("x" * 4000 + " = 1\n", r"unknown key `x+ … x+`; known here: name"),
}


@pytest.mark.parametrize(("text", "message"), _ODD_FILES.values(), ids=_ODD_FILES)
def test_what_nobody_means_is_refused_in_one_short_line(text: str, message: str) -> None:
    rest = TINY.replace('name = "tiny"\n', "") if text.startswith("name") else TINY
    with pytest.raises(SpecError, match=message) as refused:
        parse_study(text + rest)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


def test_an_override_that_nobody_means_is_refused_in_one_short_line() -> None:
    for override in (
        "a" + ".a" * 2000 + "=1",
        "search.trials=" + "7" * 5000,
        "\0" * 5000,
        "search.trials=" + "[" * 5000,
    ):
        with pytest.raises(SpecError, match=r"^(study|an override|unknown|the override)") as refused:
            tiny_spec(override)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 500


def test_a_value_nested_too_deep_for_python_is_refused() -> None:
    values: dict[str, object] = {}
    for _ in range(5000):
        values = {"a": values}
    with pytest.raises(SpecError, match=r"^study: tables and lists must not lie more than 16 deep in each other\.$"):
        build_study(values)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(TINY, encoding="utf-8-sig")
    assert load_study(tmp_path / "study.toml") == tiny_spec()


def test_a_path_that_cannot_be_is_refused_in_one_line() -> None:
    for path in ("a\0b.toml", "x" * 300 + ".toml"):
        with pytest.raises(SpecError, match=r"^cannot read the study file") as refused:
            load_study(path)
        assert str(refused.value).isprintable()


@pytest.mark.parametrize("path", ["../secret.csv", "a/../../secret.csv", "/data/../secret.csv", ".."])
def test_a_trace_above_the_data_directory_is_refused(path: str) -> None:
    with pytest.raises(
        SpecError, match=r"`straggling\.path` must not climb out of the data directory by `\.\.`, but got"
    ):
        tiny_spec("straggling.model=trace", f"straggling.path={path}")


@pytest.mark.parametrize("path", ["a/b.csv", "/data/a.csv", "a..b.csv"])
def test_a_trace_elsewhere_is_named_from_the_root(path: str) -> None:
    assert tiny_spec("straggling.model=trace", f"straggling.path={path}").straggling.path == path


def test_the_sign_of_zero_does_not_change_the_digest() -> None:
    specs = [tiny_spec(f"straggling={{ spread = {zero} }}") for zero in ("0.0", "-0.0", "0")]
    assert specs[0] == specs[1] == specs[2]
    assert len({spec.digest for spec in specs}) == 1

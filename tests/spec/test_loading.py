from __future__ import annotations

from pathlib import Path

import pytest

from nercc_tune.errors import SpecError
from nercc_tune.records import Design
from nercc_tune.spec import build_study, load_study, parse_study
from tests.fakes import TINY, tiny_spec


def _replaced(old: str, new: str) -> str:
    assert TINY.count(old) == 1
    return TINY.replace(old, new)


def test_a_valid_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(TINY, encoding="utf-8")
    spec = load_study(file)
    assert (spec.name, spec.code.queries, spec.code.workers, spec.code.stragglers) == ("tiny", 5, 12, (2, 4))
    assert (spec.search.trials, spec.search.strategy, spec.search.sampler) == (6, "profile", "tpe")
    assert spec.search.lambda_enc.low == 1e-8
    assert spec.queries_needed == 9 * 5


def test_what_is_left_out_has_the_defaults_of_the_format() -> None:
    spec = build_study(
        {
            "name": "a",
            "workload": {"model": "lenet5", "data": "mnist"},
            "code": {"queries": 50, "workers": 200, "stragglers": [10]},
        }
    )
    assert (spec.code.kind, spec.code.nodes, spec.code.decode_space) == ("nercc", "chebyshev", "probabilities")
    assert (spec.search.trials, spec.search.sampler, spec.search.strategy) == (40, "tpe", "profile")
    assert (spec.search.lambda_dec.low, spec.search.lambda_dec.high) == (1e-14, 1.0)
    assert (spec.evaluation.tuning_groups, spec.evaluation.heldout_masks) == (20, 20)
    assert (spec.evaluation.validation_groups, spec.evaluation.candidates) == (10, 5)
    assert (spec.search.objective, spec.search.pruner, spec.search.goal.has_floor) == ("mse", "none", False)
    assert (spec.straggling.model, spec.straggling.has_random_count) == ("exactly", False)
    assert spec.reference == Design()
    assert (spec.workload.device, spec.workload.precision) == ("auto", "fp32")
    assert (spec.storage.url, spec.tracking.url) == (None, None)


@pytest.mark.parametrize("written", ["1e-9", "1.0e-9", "0.000000001"])
def test_a_power_of_ten_is_a_number(written: str) -> None:
    text = _replaced("lambda_enc = { low = 1e-8,", f"lambda_enc = {{ low = {written},")
    assert parse_study(text).search.lambda_enc.low == 1e-9


def test_straggler_counts_are_sorted() -> None:
    assert tiny_spec("code.stragglers=[4, 0, 2]").code.stragglers == (0, 2, 4)


_BAD_OVERRIDES = {
    "an unknown key": ("search.trails=3", r"unknown key `search\.trails`; did you mean `trials`\?"),
    "an unknown section": ("serach.trials=3", r"unknown key `serach`; did you mean `search`\?"),
    "a key like no other": (
        "search.zzz=3",
        r"unknown key `search\.zzz`; known here: strategy, sampler, objective, .*blocks",
    ),
    "an unknown key in a range": ("search.lambda_enc.lo=1e-9", r"`search\.lambda_enc\.lo`; did you mean `low`\?"),
    "text for a count": ("search.trials=many", r"`search\.trials`: it must be a whole number, but got 'many'\."),
    "a quoted count": ('search.trials="3"', r"`search\.trials`: it must be a whole number, but got '3'\."),
    "a broken count": ("search.trials=2.5", r"`search\.trials`: it must be a whole number, but got 2\.5\."),
    "a truth value": ("search.trials=true", r"`search\.trials`: it must be a whole number, but got True\."),
    "no trials": ("search.trials=0", r"`search\.trials`: it must be greater than or equal to 1, but got 0\."),
    "a number for a section": ("search=3", r"`search`: it must be a table of keys and values, but got 3\."),
    "a number for a list": ("code.stragglers=3", r"`code\.stragglers`: it must be a list, but got 3\."),
    "no straggler count": ("code.stragglers=[]", r"`code\.stragglers` must list at least one count\."),
    "p above 1": ("straggling.probability=1.5", r"`straggling\.probability`: .* less than 1, but got 1\.5\."),
    "p = 1": ("straggling.probability=1.0", r"`straggling\.probability`: .* less than 1, but got 1\.0\."),
    "negative p": ("straggling.probability=-0.1", r"`straggling\.probability`: .* or equal to 0, but got -0\.1\."),
    "independent without p": (
        "straggling={model='independent'}",
        r'in `straggling`: model = "independent" needs a `probability`\.',
    ),
    "independent with a listed count": (
        "straggling={model='independent', probability=0.2}",
        r"`code\.stragglers` must be left out where .* \(model = 'independent'\), but got \[2, 4\]\.",
    ),
    "a deadline with a listed count": (
        "straggling={model='latency', rule='deadline', deadline=2.0}",
        r"`code\.stragglers` must be left out where .* \(model = 'latency'\), but got \[2, 4\]\.",
    ),
    "bursts without a rack": ("straggling.model=bursts", r'model = "bursts" needs `code\.rack`'),
    "a trace without a path": ("straggling.model=trace", r'in `straggling`: model = "trace" needs the `path`'),
    "a rule without its deadline": (
        "straggling={model='latency', rule='deadline'}",
        r'in `straggling`: rule = "deadline" needs a `deadline`\.',
    ),
    "an unknown straggler model": ("straggling.model=alien", r"`straggling\.model`: it must be 'exactly', 'bursts'"),
    "an unknown law": ("straggling.law=weibull", r"`straggling\.law`: it must be 'shifted-exponential', 'pareto' or"),
    "a sample of one": ("straggling.sample=1", r"`straggling\.sample`: .* greater than or equal to 2, but got 1\."),
    "a power above 1": ("code.chord_power=1.5", r"`code\.chord_power`: .* less than or equal to 1, but got 1\.5\."),
    "mse in mixed spaces": (
        "search.decode_spaces=['probabilities', 'logits']",
        r'objective = "mse" cannot compare an MSE in logits with one in probabilities; use objective = "prob_mse"',
    ),
    "a choice twice": ("search.nodes=['uniform', 'uniform']", r"`nodes` must not repeat a choice, but got \['uniform'"),
    "frozen at no count": (
        "evaluation.frozen_at=3",
        r"`evaluation\.frozen_at` must be one of `code\.stragglers`, but got 3\.",
    ),
    "pareto with a profile": ("search.objective=pareto", r'objective = "pareto" has no single best λ_dec .* "joint"'),
    "pareto with cmaes": (
        "search={objective='pareto', strategy='joint', sampler='cmaes'}",
        r'sampler = "cmaes" has one objective only, and "pareto" is two; use "tpe"\.',
    ),
    "pareto with a pruner": (
        "search={objective='pareto', strategy='joint', pruner='median'}",
        r'pruner must be "none" for objective = "pareto"',
    ),
    "cmaes with several designs": (
        "search={sampler='cmaes', strategy='joint', nodes=['uniform', 'chebyshev']}",
        r'sampler = "cmaes" searches numbers only, and several designs are listed; use "tpe"\.',
    ),
    "more blocks than groups": (
        "search.pruner=median",
        r"`search\.blocks <= evaluation\.tuning_groups` must hold, but got 6 blocks\.",
    ),
    "one block": ("search.blocks=1", r"`search\.blocks`: .* greater than or equal to 2, but got 1\."),
    "a floor above 1": ("search.min_agreement=1.1", r"`search\.min_agreement`: .* or equal to 1, but got 1\.1\."),
    "a floor of 0": ("search.min_rel_acc=0.0", r"`search\.min_rel_acc`: .* greater than 0, but got 0\.0\."),
    "an unknown objective": ("search.objective=beauty", r"`search\.objective`: it must be 'mse', 'prob_mse'"),
    "S = N": ("code.stragglers=[2, 12]", r"`stragglers < workers` must hold, but got 12 stragglers of 12 workers\."),
    "S > N": ("code.stragglers=[40]", r"`stragglers < workers` must hold, but got 40 stragglers of 12 workers\."),
    "negative S": ("code.stragglers=[-1]", r"`code\.stragglers\.0`: .* greater than or equal to 0, but got -1\."),
    "S twice": ("code.stragglers=[2, 2]", r"`stragglers` must not repeat a count, but got \[2, 2\]\."),
    "K = 1": ("code.queries=1", r"`code\.queries`: it must be greater than or equal to 2, but got 1\."),
    "N < K": ("code.workers=4", r"`workers >= queries` must hold, .* but got 4 workers for 5 queries\."),
    "negative low": ("search.lambda_enc.low=-1e-9", r"`search\.lambda_enc\.low`: .* greater than 0, but got -1e-09\."),
    "low of zero": ("search.lambda_enc.low=0.0", r"`search\.lambda_enc\.low`: .* greater than 0, but got 0\.0\."),
    "NaN": ("search.lambda_dec.high=nan", r"`search\.lambda_dec\.high`: it must be .*, but got nan\."),
    "infinity": ("search.lambda_dec.high=inf", r"`search\.lambda_dec\.high`: it must be .*, but got inf\."),
    "low > high": ("search.lambda_dec.low=2.0", r"`low < high` must hold, but got low = 2 and high = 1\."),
    "low = high": ("search.lambda_dec.low=1.0", r"`low < high` must hold, but got low = 1 and high = 1\."),
    "a quoted number": (
        'search.lambda_enc.low="1e-9"',
        r"`search\.lambda_enc\.low`: it must be a number without quotes, but got '1e-9'\.",
    ),
    "cmaes on one parameter": ("search.sampler=cmaes", r'sampler = "cmaes" needs two parameters.*"joint"'),
    "an unknown sampler": ("search.sampler=bayes", r"`search\.sampler`: it must be 'tpe', 'gp'.* but got 'bayes'\."),
    "an unknown strategy": ("search.strategy=both", r"`search\.strategy`: it must be 'profile' or 'joint'"),
    "an unknown decode space": (
        "code.decode_space=raw",
        r"`code\.decode_space`: it must be 'probabilities', 'logits' or 'logits-softmax'",
    ),
    "an unknown code": (
        "code.kind=magic",
        r"`code\.kind`: it must be 'nercc', 'parity' or 'learned', but got 'magic'\.",
    ),
    "an unknown precision": ("workload.precision=fp8", r"`workload\.precision`: it must be 'fp32', 'tf32' or 'bf16'"),
    "two sources of weights": (
        "workload={model='a', data='b', pretrained=true, random_weights=true}",
        r"in `workload`: only one of `checkpoint`, `pretrained` and `random_weights` may be given\.",
    ),
    "a name with a slash": ("name=a/b", r"`name`: .* but got 'a/b'\."),
    "an empty name": ('name=""', r"`name`: .* but got ''\."),
    "a name that climbs": ('name="../up"', r"`name`: .* but got '../up'\."),
    "a negative seed": ("search.seed=-1", r"`search\.seed`: .* greater than or equal to 0, but got -1\."),
    "an override without a value": ("search.trials", r"must look like `search\.trials=20`, but got `search\.trials`\."),
    "an override without a field": ("=3", r"must look like `search\.trials=20`, but got `=3`\."),
    "an override of nothing": ("search.=3", r"unknown key|must look like"),
    "an override inside a value": ("name.first=3", r"goes into `name`, which is not a section\."),
}


_GOOD_OVERRIDES = (
    ("straggling.model=bursts", "code.rack=3"),
    ("straggling.model=trace", "straggling.path=latencies.csv"),
    ("code={ queries = 5, workers = 12 }", "straggling={ model = 'independent', probability = 0.2 }"),
    ("code={ queries = 5, workers = 12 }", "straggling={ model = 'latency', rule = 'deadline', deadline = 2.0 }"),
    ("search.decode_spaces=['probabilities', 'logits']", "search.objective=prob_mse"),
    ("search.decode_spaces=['probabilities', 'logits-softmax']",),
    ("search.decode_spaces=['logits']",),
    ("search.objective=pareto", "search.strategy=joint"),
    ("search.pruner=wilcoxon", "search.blocks=3"),
    ("search.min_rel_acc=1.05",),
    ("evaluation.frozen_at=4",),
)


@pytest.mark.parametrize("overrides", _GOOD_OVERRIDES)
def test_what_can_be_meant_is_accepted(overrides: tuple[str, ...]) -> None:
    tiny_spec(*overrides)


@pytest.mark.parametrize("case", _BAD_OVERRIDES)
def test_bad_input_is_refused_in_one_line(case: str) -> None:
    override, message = _BAD_OVERRIDES[case]
    with pytest.raises(SpecError, match=message) as refused:
        tiny_spec(override)
    assert "\n" not in str(refused.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(SpecError, match=r"study: the key `code\.workers` is missing\."):
        parse_study(_replaced("workers = 12\n", ""))


def test_text_that_is_not_toml_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^study is not valid TOML: .*line 2") as refused:
        parse_study("name = 'a'\nqueries =\n")
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"cannot read the study file `.*absent\.toml`"):
        load_study(tmp_path / "absent.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="cannot read the study file"):
        load_study(tmp_path / "study.toml")


def test_messages_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(TINY + "[serach]\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"study\.toml: unknown key `serach`"):
        load_study(tmp_path / "study.toml")


def test_overrides_replace_what_the_file_says() -> None:
    spec = tiny_spec("search.trials=20", "code.stragglers=[1]", "search.lambda_enc.low=1e-9", "workload.model=resnet18")
    assert (spec.search.trials, spec.code.stragglers, spec.search.lambda_enc.low) == (20, (1,), 1e-9)
    assert spec.workload.model == "resnet18"
    assert spec.search.lambda_enc.high == 1.0


def test_the_last_of_two_overrides_stands() -> None:
    assert tiny_spec("search.trials=20", "search.trials=30").search.trials == 30


def test_an_override_may_add_a_section() -> None:
    assert tiny_spec("tracking.url=sqlite:///here.db").tracking.url == "sqlite:///here.db"


def test_an_override_may_hold_an_equals_sign() -> None:
    assert tiny_spec("storage.url=postgresql://host/db?a=b").storage.url == "postgresql://host/db?a=b"

from __future__ import annotations

from dataclasses import replace

import pytest

from nercc_tune.errors import TableError
from nercc_tune.export.comparison import COMPARED_SHARES, Comparison, OverallAt
from nercc_tune.export.table import TunedTable
from nercc_tune.records import LATE_SHARES, Design, Kernel
from tests.builders import heldout, interval, tuned_table
from tests.comparing import PARITY, PLAIN, setting_of, small_comparison, study, trained, worth
from tests.variants import random_table, with_availability

_UNCODED = {"uncoded": worth(0.1), "default": worth(0.05)}


def _names(*tables: TunedTable) -> list[str]:
    (setting,) = Comparison.of(tables).settings
    return [code.name for code in setting.codes]


def test_every_setting_is_there_once_and_in_order() -> None:
    comparison = small_comparison()
    assert [setting.title for setting in comparison.settings] == [
        "K = 2, N = 3, S = 1",
        "K = 2, N = 5, S = 2",
        "K = 3, N = 4, S = 1",
    ]
    assert comparison.studies == ("nercc-K2", "parity-K2", "nercc-K3", "parity-K3", "more")
    assert comparison.workload == "lenet5 on mnist"


def test_a_setting_holds_the_codes_of_all_studies_and_each_baseline_once() -> None:
    first, second = study("a", {"tuned": worth(0.9), "bacc": worth(0.8)}), trained("b", {"tuned": worth(0.7)})
    second = replace(second, entries=(replace(second.entries[0], baselines={"bacc": worth(0.6), **_UNCODED}),))
    (setting,) = Comparison.of([first, second]).settings
    assert [(code.code, code.study) for code in setting.codes] == [
        ("tuned", "a"),
        ("tuned", "b"),
        ("bacc", "a"),
        ("uncoded", "b"),
        ("default", "b"),
    ]
    assert setting.codes[1].heldout is second.entries[0].heldout
    assert setting.codes[2].heldout is first.entries[0].baselines["bacc"]


def test_one_study_is_compared_with_its_baselines_at_each_count() -> None:
    table = with_availability(tuned_table())
    comparison = Comparison.of([table])
    assert [setting.count for setting in comparison.settings] == ["20", "40", "80", "120"]
    for setting, entry in zip(comparison.settings, table.entries, strict=True):
        assert [code.heldout for code in setting.codes] == [entry.heldout, *entry.baselines.values()]


def test_what_is_no_baseline_of_every_study_is_left_out() -> None:
    codes = {code.code for setting in Comparison.of([random_table()]).settings for code in setting.codes}
    assert codes == {"tuned", "bacc", "nercc_ag", "replication", "uncoded"}


def test_ranges_of_a_random_count_are_settings() -> None:
    table = random_table()
    assert [setting.count for setting in Comparison.of([table]).settings] == ["0–20", "21–40", "41–80", "81–120"]


def test_codes_are_called_what_they_are() -> None:
    kernel = Kernel(range=0.0)
    copies = Design(nodes="copies-1", decoder="kriging")
    chosen = study("a", {"tuned": worth(0.9)}, design=copies)
    chosen = replace(chosen, entries=(replace(chosen.entries[0], lambda_enc=0.0, kernel=kernel),))
    learned = replace(PARITY, kind="learned", mixer="mlp")
    assert _names(chosen) == ["replication"]
    for change in ({"lambda_enc": 0.1}, {"kernel": Kernel(range=1.0)}, {"kernel": None}, {"workers": 4}):
        assert _names(replace(chosen, entries=(replace(chosen.entries[0], **change),))) == ["tuned NeRCC"]
    assert _names(study("b", {"tuned": worth(0.9)}), trained("c", {"tuned": worth(0.9)})) == [
        "tuned NeRCC",
        "parity model on addition",
    ]
    assert _names(trained("d", {"tuned": worth(0.9)}, training=learned)) == ["learned code with mlp encoder"]


def test_a_chosen_replication_and_the_baseline_are_told_apart() -> None:
    codes = {"tuned": worth(0.9), "replication": worth(0.9)}
    table = study("a", codes, design=Design(nodes="copies-1", decoder="kriging"))
    table = replace(table, entries=(replace(table.entries[0], lambda_enc=0.0, kernel=Kernel(range=0.0)),))
    assert _names(table) == ["replication (a)", "replication"]


def test_codes_of_one_name_have_that_of_their_study_without_its_sizes() -> None:
    for queries in (2, 12):
        sizes, codes = (queries, 13), {"tuned": worth(0.9), "bacc": worth(0.8)}
        tables = [study(f"{name}-K{queries}-N13", codes, sizes=sizes) for name in ("uniform", "copies")]
        assert _names(*tables) == ["tuned NeRCC (uniform)", "tuned NeRCC (copies)", "BACC"]


def test_a_number_that_is_another_size_stays() -> None:
    tables = [study(name, {"tuned": worth(0.9)}) for name in ("a-K20", "c-N30", "b")]
    assert _names(*tables) == ["tuned NeRCC (a-K20)", "tuned NeRCC (c-N30)", "tuned NeRCC (b)"]


def test_where_names_without_sizes_are_the_same_the_whole_ones_are_given() -> None:
    tables = [study(name, {"tuned": worth(0.9)}) for name in ("a-K2", "a-N3", "b-K2")]
    assert _names(*tables) == ["tuned NeRCC (a-K2)", "tuned NeRCC (a-N3)", "tuned NeRCC (b)"]


def test_overall_accuracies_are_those_that_were_kept() -> None:
    (code,) = setting_of({"tuned": worth(0.5)}).codes
    assert set(COMPARED_SHARES) <= set(LATE_SHARES)
    for late in LATE_SHARES:
        assert code.availability is not None
        assert code.overall(late) == OverallAt(accuracy=code.availability.overall_at(late))  # type: ignore[arg-type]
    assert code.overall(0.07) is None


@pytest.mark.parametrize("late", [0.0, 0.05, 0.33, 1.0])
@pytest.mark.parametrize("carriers", [PLAIN, (0, 0, 2), (2,)])
def test_a_code_that_degrades_nothing_is_bounded_by_all_wrong_and_all_right(
    late: float, carriers: tuple[int, ...]
) -> None:
    none = worth(None, carriers=carriers, reach=0.0)
    bound = setting_of({"tuned": none}).codes[0].overall(late)
    assert bound is not None
    assert none.availability is not None
    worst, most = (replace(none.availability, degraded=worth(share, reach=0).availability.degraded) for share in (0, 1))  # type: ignore[union-attr]
    assert bound.is_bound
    assert bound.accuracy.mean == bound.accuracy.low == pytest.approx(worst.overall_accuracy(late))
    assert bound.accuracy.high == pytest.approx(most.overall_accuracy(late))
    assert bound.text == f"≥ {bound.accuracy.mean:.3f}"


def test_standings_go_by_the_mean_and_by_whether_intervals_overlap() -> None:
    codes = {"tuned": worth(0.9), "bacc": worth(0.91), "replication": worth(0.5), "uncoded": worth(0.1)}
    setting = setting_of(codes)
    tuned, bacc, *others = setting.codes
    assert setting.best(0.1) is bacc
    assert [setting.standing(code, 0.1) for code in setting.codes] == ["tie", "best", "behind", "behind"]
    assert setting.ties(tuned, 0.1) == (bacc,)
    assert setting.ties(others[0], 0.1) == ()
    assert setting.standing(tuned, 0.07) is None


def test_intervals_that_touch_overlap() -> None:
    codes = {
        "tuned": worth(0.9, carriers=(2,), reach=0.25),
        "bacc": worth(0.4, available=0.48, carriers=(2,), reach=0.25),
    }
    setting = setting_of(codes)
    assert [setting.standing(code, 0.1) for code in setting.codes] == ["best", "tie"]


def test_without_accuracies_nothing_is_best() -> None:
    for codes in ({"tuned": heldout(0.1)}, {"tuned": worth(None), "bacc": worth(None)}):
        setting = setting_of(codes)
        assert not setting.has_accuracies
        assert setting.best(0.1) is None
        assert setting.standing(setting.codes[0], 0.1) is None


def _other_draws(*tables: TunedTable) -> tuple[str, ...]:
    (setting,) = Comparison.of(tables).settings
    assert setting.first == tables[0].study
    return setting.other_draws


def test_studies_whose_uncoded_figures_are_equal_have_the_same_draws() -> None:
    first = study("a", {"tuned": worth(0.9), **_UNCODED})
    shifted = replace(_UNCODED["uncoded"], prob_mse=interval(0.004))
    assert _other_draws(first, study("b", {"tuned": worth(0.8), **_UNCODED})) == ()
    assert _other_draws(first, study("b", {"tuned": worth(0.9), "uncoded": worth(0.11)})) == ("b",)
    assert _other_draws(first, study("b", {"tuned": worth(0.9), "uncoded": shifted})) == ("b",)
    assert _other_draws(first, study("b", {"tuned": worth(0.9)}), study("c", {"tuned": worth(0.9)})) == ("b", "c")


def test_an_older_table_without_accuracies_may_have_the_same_draws() -> None:
    older = replace(_UNCODED["uncoded"], availability=None)
    first = study("a", {"tuned": worth(0.9), **_UNCODED})
    assert _other_draws(first, study("b", {"tuned": worth(0.9), "uncoded": older})) == ()


def test_in_two_decode_spaces_the_default_prediction_tells_whether_draws_are_the_same() -> None:
    first = study("a", {"tuned": worth(0.9), **_UNCODED})

    def in_logits(**codes: float) -> TunedTable:
        found = {name: replace(worth(share), prob_mse=interval(0.3)) for name, share in codes.items()}
        table = study("b", {"tuned": worth(0.9), **found})
        return replace(table, reference=replace(table.reference, decode_space="logits-softmax"))

    assert _other_draws(first, in_logits(uncoded=0.12, default=0.05)) == ()
    assert _other_draws(first, in_logits(uncoded=0.1, default=0.06)) == ("b",)
    assert _other_draws(first, in_logits(uncoded=0.1)) == ("b",)


def test_no_study_is_refused() -> None:
    with pytest.raises(TableError, match="there is nothing to compare; name at least one study"):
        Comparison.of([])


def test_studies_of_two_workloads_are_refused() -> None:
    first, second = study("a", {"tuned": worth(0.9)}), study("b", {"tuned": worth(0.9)}, sizes=(3, 4))
    weights = replace(second, workload=replace(second.workload, fingerprint="0" * 64))
    with pytest.raises(TableError, match="`a` and `b` served `lenet5 on mnist` with other weights or data, so that"):
        Comparison.of([first, weights])
    model = replace(weights, workload=replace(weights.workload, model="mlp"))
    with pytest.raises(
        TableError, match="`a` and `b` served `lenet5 on mnist` and `mlp on mnist`, so that they cannot"
    ):
        Comparison.of([first, model])


def test_other_stragglers_at_one_setting_are_refused() -> None:
    first = study("a", {"tuned": worth(0.9)})
    other = replace(study("b", {"tuned": worth(0.9)}), straggling={"model": "bursts"})
    with pytest.raises(TableError, match=r"`a` and `b` differ in who straggles \(exactly, bursts\), so that they"):
        Comparison.of([first, other])
    elsewhere = replace(study("b", {"tuned": worth(0.9)}, sizes=(3, 4)), straggling={"model": "bursts"})
    assert len(Comparison.of([first, elsewhere]).settings) == 2
    assert len(Comparison.of([first, replace(other, straggling={"model": "exactly"})]).settings) == 1


def test_a_straggler_model_of_another_version_is_refused() -> None:
    first = study("a", {"tuned": worth(0.9)})
    other = replace(study("b", {"tuned": worth(0.9)}), straggling={"model": "weather"})
    with pytest.raises(TableError, match="the section `straggling` of `b` is none of this version; launch the study"):
        Comparison.of([first, other])


def test_a_study_of_an_odd_name_is_named_on_one_line() -> None:
    odd = study("odd\nname", {"tuned": worth(0.9)})
    other = replace(odd, workload=replace(odd.workload, fingerprint="0" * 64))
    for tables in ([odd, odd], [odd, other], [odd, replace(odd, study="b", straggling={"model": "worst"})]):
        with pytest.raises(TableError, match=r"^`odd name` "):
            Comparison.of(tables)


def test_a_study_that_is_given_twice_is_refused() -> None:
    table = study("a", {"tuned": worth(0.9)})
    with pytest.raises(TableError, match="`a` is given twice for the same K, N and S; leave one out, or launch it"):
        Comparison.of([table, table])
    assert len(Comparison.of([table, study("a", {"tuned": worth(0.9)}, sizes=(3, 4))]).settings) == 2

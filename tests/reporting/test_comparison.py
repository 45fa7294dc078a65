from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from nercc_tune.errors import HomeError
from nercc_tune.export.comparison import Comparison
from nercc_tune.records import CODE_NAMES, LATE_SHARES
from nercc_tune.reporting.comparison import compared_figures, figure_degraded, figure_overall
from nercc_tune.reporting.comparison_report import comparison_frame, summarise_comparison, write_comparison
from nercc_tune.reporting.figures import FigureFormat
from nercc_tune.reporting.pictures.availability import AvailabilityCurve
from nercc_tune.reporting.style import CODES
from tests.builders import heldout
from tests.comparing import PARITY, small_comparison, study, trained, worth
from tests.reporting.panels import colour, draw, is_inside, legend, panels, points

_UNMEASURED = Comparison.of([study("a", {"tuned": heldout(0.1), "bacc": heldout(0.2)})])


def _many() -> Comparison:
    """Return seven settings of nine codes, most of which a study is named with."""
    tables = []
    for queries, more in itertools.product((2, 3, 4), (1, 2)):
        sizes = (queries, queries + more)
        baselines = {name: worth(0.5 + at / 20) for at, name in enumerate(("bacc", "replication", "uncoded"))}
        tables.append(
            study(f"first-of-them-K{queries}-N{queries + more}", {"tuned": worth(0.9), **baselines}, sizes=sizes)
        )
        tables += [study(f"{name}-K{queries}", {"tuned": worth(0.8)}, sizes=sizes) for name in ("second", "third")]
        training = replace(PARITY, mixer="concatenation")
        tables.append(trained(f"p{queries}{more}", {"tuned": worth(0.7)}, sizes=sizes))
        tables.append(trained(f"c{queries}{more}", {"tuned": worth(0.6)}, sizes=sizes, training=training))
    return Comparison.of([*tables, study("last", {"tuned": worth(0.9)}, sizes=(5, 9))])


def test_every_code_is_drawn_at_every_setting() -> None:
    comparison = small_comparison()
    shown = [setting for setting in comparison.settings if setting.has_accuracies]
    for axes, setting in zip(panels(figure_overall(comparison)), shown, strict=True):
        assert axes.get_title(loc="left") == setting.title
        assert len(axes.lines) == len(setting.codes)
        bands = [band for band in axes.collections if isinstance(band, PolyCollection)]
        for line, band, code in zip(axes.lines, bands, setting.codes, strict=True):
            assert code.availability is not None
            curve = AvailabilityCurve.of(code.availability)
            assert line.get_label() == code.name
            assert np.array_equal(line.get_xdata(), curve.late)
            assert np.array_equal(line.get_ydata(), curve.mean)
            assert line.get_linestyle() == ("--" if curve.is_bound else "-")
            (outline,) = band.get_paths()
            assert {curve.low.max(), curve.high.min()} <= set(np.asarray(outline.vertices)[:, 1].tolist())


def test_the_degraded_accuracy_is_a_line_for_each_code() -> None:
    comparison = small_comparison()
    (axes,) = panels(figure_degraded(comparison))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("K", "accuracy on degraded queries")
    assert axes.get_title(loc="left") == "N = K + 1, S = 1"
    lines = {str(line.get_label()): points(line) for line in axes.lines}
    for name, means in {"parity model on addition": (0.91, 0.89), "BACC": (0.86, 0.84)}.items():
        assert np.array(lines[name]) == pytest.approx(np.array([(2, means[0]), (3, means[1])]))
    assert len([band for band in axes.collections if isinstance(band, PolyCollection)]) == len(lines) == 5


@pytest.mark.parametrize("make", [figure_overall, figure_degraded])
def test_a_code_looks_the_same_in_panels_and_legend_and_baselines_as_everywhere(
    make: Callable[[Comparison], Figure],
) -> None:
    figure = make(_many())
    looks = {name: (colour(line), line.get_marker()) for name, line in legend(figure).items()}
    assert len(set(looks.values())) == len(looks) >= 8
    for axes in panels(figure):
        for line in axes.lines:
            assert looks[str(line.get_label())] == (colour(line), line.get_marker())
    for code in ("bacc", "replication", "uncoded"):
        assert looks[CODE_NAMES[code]] == (CODES[code].colour, CODES[code].marker)


@pytest.mark.parametrize("comparison", [small_comparison(), _many()], ids=["few", "many"])
@pytest.mark.parametrize("make", [figure_overall, figure_degraded])
def test_everything_lies_within_the_figure(make: Callable[[Comparison], Figure], comparison: Comparison) -> None:
    assert is_inside(draw(make(comparison)))


def test_panels_share_the_scale_of_accuracy() -> None:
    limits = {axes.get_ylim() for axes in panels(draw(figure_overall(_many())))}
    assert len(limits) == 1


def test_only_figures_that_show_something_are_drawn() -> None:
    assert list(compared_figures(small_comparison())) == ["overall", "degraded"]
    assert list(compared_figures(Comparison.of([study("a", {"tuned": worth(0.9)})]))) == ["overall"]
    assert list(compared_figures(_UNMEASURED)) == []
    with pytest.raises(ValueError, match="`comparison` must hold an accuracy on degraded queries, but got none"):
        figure_overall(_UNMEASURED)
    with pytest.raises(ValueError, match="must hold accuracies on degraded queries for several K, but got none"):
        figure_degraded(_UNMEASURED)


def test_a_name_is_no_formula() -> None:
    tables = [study(name, {"tuned": worth(0.9)}) for name in ("$x_1$", "b")]
    assert is_inside(draw(figure_overall(Comparison.of(tables))))
    assert r"tuned NeRCC (\$x_1\$)" in legend(figure_overall(Comparison.of(tables)))


def test_the_frame_holds_every_figure_exactly() -> None:
    comparison = small_comparison()
    frame = comparison_frame(comparison)
    rows = frame.to_dict("records")
    pairs = [(setting, code) for setting in comparison.settings for code in setting.codes]
    for row, (setting, code) in zip(rows, pairs, strict=True):
        assert (row["queries"], row["workers"], row["stragglers"]) == (setting.queries, setting.workers, setting.count)
        assert (row["name"], row["code"], row["study"]) == (code.name, code.code, code.study)
        assert row["is_on_first_draws"] == (code.study not in setting.other_draws)
        assert (row["prob_mse"], row["agreement_high"]) == (code.heldout.prob_mse.mean, code.heldout.agreement.high)
        assert code.availability is not None
        for late in LATE_SHARES:
            kept = code.availability.overall_at(late)
            name = f"overall_{round(100 * late)}"
            assert np.isnan(row[f"{name}_low"]) if kept is None else row[f"{name}_low"] == kept.low


def test_the_page_says_what_to_deploy_and_marks_the_best() -> None:
    codes = {"tuned": worth(0.9), "bacc": worth(0.91), "uncoded": worth(0.1)}
    page = summarise_comparison(Comparison.of([study("a_b", codes)]), figures=["overall.svg"])
    assert page.startswith("# Codes side by side\n\nlenet5 on mnist; studies `a_b`; held out, with 95 % intervals.\n")
    assert "\n- K = 2, N = 3, S = 1: deploy BACC, up to f = 33 %.\n" in page
    assert "](overall.svg)\n" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| BACC |")]
    assert row.endswith(
        "| 0.910 [0.909, 0.911] | **0.976 [0.975, 0.977]** | **0.973 [0.972, 0.974]** | **0.957 [0.956, 0.958]** |"
    )
    (row,) = [line for line in page.splitlines() if line.startswith("| tuned NeRCC |")]
    assert row.endswith("| 0.976 [0.975, 0.977] ≈ | 0.972 [0.971, 0.973] ≈ | 0.954 [0.953, 0.955] |")
    assert "\n- tuned NeRCC: `a_b`, chebyshev, probabilities\n" in page
    assert "other groups or masks" not in page


def test_the_page_says_which_studies_have_other_draws() -> None:
    page = summarise_comparison(small_comparison(), figures=[])
    assert "K = 2, N = 3, S = 1: parity-K2 was judged on other groups or masks than nercc-K2" in page


def test_names_are_no_markdown() -> None:
    tables = [study(name, {"tuned": worth(0.9)}) for name in ("![x](https://host/x.png)", "b")]
    page = summarise_comparison(Comparison.of(tables), figures=[])
    assert "NeRCC (![x]" not in page
    assert r"NeRCC (\!\[x\]" in page


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_files_are_written_and_equal_results_give_equal_bytes(suffix: FigureFormat, tmp_path: Path) -> None:
    paths = write_comparison(small_comparison(), tmp_path / "first", format=suffix)
    assert [path.name for path in paths] == [
        f"overall.{suffix}",
        f"degraded.{suffix}",
        "comparison.csv",
        "comparison.md",
    ]
    assert f"](overall.{suffix})" in paths[3].read_text(encoding="utf-8")
    pd.testing.assert_frame_equal(
        pd.read_csv(paths[2], dtype={"stragglers": str}),
        comparison_frame(small_comparison()),
        check_exact=False,
        rtol=1e-15,
    )
    for first, second in zip(paths, write_comparison(small_comparison(), tmp_path / "2", format=suffix), strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_without_accuracies_the_page_and_the_table_are_written_all_the_same(tmp_path: Path) -> None:
    assert [path.name for path in write_comparison(_UNMEASURED, tmp_path)] == ["comparison.csv", "comparison.md"]
    assert "no accuracy on degraded queries is known" in (tmp_path / "comparison.md").read_text(encoding="utf-8")


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(HomeError, match="cannot be written"):
        write_comparison(_UNMEASURED, tmp_path / "taken")

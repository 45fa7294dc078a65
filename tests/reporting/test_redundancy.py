from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

from nercc_tune.export.redundancy import Redundancy
from nercc_tune.records import CODE_NAMES
from nercc_tune.reporting.redundancy import figure_redundancy
from nercc_tune.reporting.redundancy_report import redundancy_frame, summarise_redundancy, write_redundancy
from nercc_tune.reporting.style import CODES
from tests.families import redundancy_of, shared_out, worth
from tests.reporting.panels import colour, draw, is_inside, legend, panels, points


def test_every_code_is_drawn_against_redundancy() -> None:
    redundancy = shared_out()
    figure = figure_redundancy(redundancy)
    grid = panels(figure)
    assert len(grid) == 4
    codes = [code for code in CODES if code in redundancy.levels[0].judged[0].codes]
    for axes, (measure, level) in zip(
        grid, [(m, level) for m in ("prob_mse", "agreement") for level in redundancy.levels], strict=True
    ):
        drawn = {colour(line): points(line) for line, *_ in axes.containers}
        for code in codes:
            means = [getattr(judged.codes[code], measure).mean for judged in level.judged]
            assert drawn[CODES[code].colour] == list(zip([1.2, 1.5, 2.0, 4.0], means, strict=True))
    assert set(legend(figure)) == {CODE_NAMES[code] for code in codes}


def test_axes_and_panels_are_named() -> None:
    first, second, third, fourth = panels(figure_redundancy(shared_out()))
    assert [axes.get_ylabel() for axes in (first, second, third, fourth)] == [
        "MSE (probabilities)",
        "",
        "agreement",
        "",
    ]
    assert [axes.get_xlabel() for axes in (first, third)] == ["", "N / K"]
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["S = 5 % of N", "S = 20 % of N"]


def test_the_panels_of_a_measure_share_its_scale() -> None:
    first, second, third, fourth = panels(draw(figure_redundancy(shared_out())))
    assert first.get_ylim() == second.get_ylim()
    assert third.get_ylim() == fourth.get_ylim()
    assert first.get_yscale() == "log"
    labels = [label for label in third.get_xticklabels() if label.get_text()]
    assert [label.get_text() for label in labels] == ["1.2", "1.5", "2", "4"]
    edges = [label.get_window_extent() for label in labels]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(edges))


@pytest.mark.parametrize(
    "redundancy",
    [
        shared_out(),
        shared_out((60,)),
        redundancy_of({60: {s: {"tuned": worth(0.9)} for s in range(1, 10)}}),
        redundancy_of({n: {5: {"tuned": worth(1.0, prob_mse=0.0)}} for n in (60, 100)}),
    ],
    ids=["a family", "one number", "many counts", "no error"],
)
def test_everything_lies_within_the_figure(redundancy: Redundancy) -> None:
    figure = draw(figure_redundancy(redundancy))
    assert is_inside(figure)
    assert all(isinstance(text, Text) for text in figure.texts)


def test_the_frame_holds_every_figure_exactly() -> None:
    redundancy = shared_out()
    frame = redundancy_frame(redundancy)
    assert len(frame) == 2 * 4 * 5
    for level in redundancy.levels:
        for judged in level.judged:
            for code, heldout in judged.codes.items():
                is_it = (frame["level"] == level.title) & (frame["workers"] == judged.workers) & (frame["code"] == code)
                (row,) = frame[is_it].to_dict("records")
                assert (row["family"], row["study"], row["queries"]) == ("fam", judged.study, 50)
                assert (row["redundancy"], row["stragglers"]) == (judged.redundancy, judged.count)
                assert (row["prob_mse"], row["agreement_low"]) == (heldout.prob_mse.mean, heldout.agreement.low)


def test_the_page_says_how_many_workers_it_takes() -> None:
    strong = {"tuned": worth(0.97), "replication": worth(0.995, reach=0.001)}
    page = summarise_redundancy(
        redundancy_of({60: {5: {"tuned": worth(0.92), "replication": worth(0.955, reach=0.02)}}, 100: {5: strong}})
    )
    (row,) = [line for line in page.splitlines() if line.startswith("| S = 5 |")]
    assert row == "| S = 5 | 60, tuned NeRCC | 100, tuned NeRCC | 100, replication | – |"
    assert "lenet5 on mnist, K = 50 queries to N = 60, 100 workers" in page
    assert "![MSE in probabilities and agreement against N / K, for every code](redundancy.png)" in page
    assert "| 2 | 100 | 5 | 0.9700 [0.9700, 0.9700] | 0.9950 [0.9940, 0.9960] |" in page


def test_a_floor_that_only_a_mean_keeps_is_marked() -> None:
    page = summarise_redundancy(redundancy_of({60: {5: {"tuned": worth(0.955, reach=0.02)}}}))
    (row,) = [line for line in page.splitlines() if line.startswith("| S = 5 |")]
    assert row == "| S = 5 | 60, tuned NeRCC | 60, tuned NeRCC, *on average* | – | – |"


def test_the_files_are_written_and_equal_results_give_equal_bytes(tmp_path: Path) -> None:
    paths = write_redundancy(shared_out(), tmp_path / "first")
    assert [path.name for path in paths] == ["redundancy.png", "redundancy.csv", "redundancy.md"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    pd.testing.assert_frame_equal(
        pd.read_csv(paths[1], dtype={"stragglers": str}), redundancy_frame(shared_out()), check_exact=False, rtol=1e-15
    )
    for first, second in zip(paths, write_redundancy(shared_out(), tmp_path / "second"), strict=True):
        assert first.read_bytes() == second.read_bytes()

"""How a calibrated decoder's error falls with the number of calibration groups, beside kriging and the spline.

`uv run python studies/calibration.py --data-dir data` runs LeNet5 on MNIST at (N, K, S) = (200, 50, 80) with the
paper's encoder, and writes a table and a figure; `--study` takes another study file, such as that of RepVGG.

For each number n the decoders are set on the first n tuning groups, calibrated ones by cross-fitting, and judged on the
same held-out groups and masks. `calibrated, w = 1` has the measured moments alone, with its best ridge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from nercc_tune.export.blocks import write_error
from nercc_tune.home import Home
from nercc_tune.home.shipped import find_study
from nercc_tune.inference import Inference
from nercc_tune.launch.preparation import Preparation
from nercc_tune.records import DecoderKind, DecodeSpace, Design, Encoding, Interval, Kernel, Option, Parameter
from nercc_tune.reporting.style import dress, legend_above, new_figure
from nercc_tune.selection import CrossedBootstrap, judge
from nercc_tune.spec import load_study

COUNTS = (5, 10, 20, 50, 100)
SPACES: tuple[DecodeSpace, ...] = ("probabilities", "logits-softmax")
KINDS: tuple[DecoderKind, ...] = ("spline", "kriging", "calibrated")
MEASURED = "calibrated, w = 1"
RIDGES = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3)
STYLES = {
    "spline": ("#0072B2", "o"),
    "kriging": ("#E69F00", "s"),
    "calibrated": ("#009E73", "^"),
    MEASURED: ("#CC79A7", "v"),
}
RESAMPLES, SEED = 2000, 0

Errors = dict[tuple[DecodeSpace, str, int], Interval]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured: a workload, and one straggler count of its study."""

    inference: Inference
    stragglers: int

    def errors(self, count: int) -> dict[tuple[DecodeSpace, str], Interval]:
        """Set all decoders on the first groups, and judge them held out."""
        split = replace(self.inference.split, tuning=self.inference.split.tuning[:count])
        inference = replace(self.inference, split=split)
        tuning = inference.draw("tuning")
        heldout = inference.draw("heldout", tuning=tuning)
        mine, its = (draws.evaluators[self.stragglers] for draws in (tuning, heldout))
        found: dict[tuple[DecodeSpace, str], Interval] = {}
        for space in SPACES:
            options = {
                item.decoder: item for item in mine.best(Encoding(), [("identity", space, kind) for kind in KINDS])
            }
            design = Design(decode_space=space, decoder="calibrated")
            kernels = [replace(_kernel(options["calibrated"]), weight=1.0, ridge=ridge) for ridge in RIDGES]
            measured = min(kernels, key=lambda kernel: mine.metrics(design, 0.0, kernel).score().prob_mse)
            codes: dict[str, tuple[Design, Parameter]] = {
                name: (Design(decode_space=space, decoder=name), item.parameter) for name, item in options.items()
            }
            codes[MEASURED] = (design, measured)
            for name, (own, parameter) in codes.items():
                metrics = its.metrics(own, 0.0, parameter)
                groups, masks = metrics.mse.shape
                bootstrap = CrossedBootstrap.draw(groups=groups, masks=masks, resamples=RESAMPLES, seed=SEED)
                found[space, name] = judge(metrics, bootstrap).prob_mse
        return found


def _kernel(option: Option) -> Kernel:
    if option.kernel is None:
        raise ValueError("`option` must be of a calibrated decoder.")
    return option.kernel


def table(errors: Errors) -> str:
    """Return the held-out errors as a Markdown table."""
    rows = [
        ["decode space", "decoder", *(f"{count} groups" for count in COUNTS)],
        ["---", "---", *["--:"] * len(COUNTS)],
    ]
    for space in SPACES:
        rows += [[space, name, *(write_error(errors[space, name, count]) for count in COUNTS)] for name in STYLES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def draw(errors: Errors, title: str) -> Figure:
    """Draw the held-out errors against the number of groups, a panel for each decode space."""
    figure = new_figure(3.2)
    for axes, space in zip(figure.subplots(1, len(SPACES)), SPACES, strict=True):
        for name, (colour, marker) in STYLES.items():
            line = [errors[space, name, count] for count in COUNTS]
            means = [item.mean for item in line]
            bars = [[item.mean - item.low for item in line], [item.high - item.mean for item in line]]
            axes.errorbar(COUNTS, means, bars, label=name, color=colour, marker=marker, markersize=4, linewidth=1.2)
        dress(axes, x="calibration groups", y="held-out MSE in probabilities", title=f"{title}, {space}")
        axes.set(xscale="log", ylim=(0, None))
        axes.xaxis.set_major_locator(FixedLocator(COUNTS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
    handles = [Line2D([], [], color=colour, marker=marker, label=name) for name, (colour, marker) in STYLES.items()]
    legend_above(figure, handles, columns=4)
    return figure


def main(
    *,
    study: str = "paper-table-1-lenet5-mnist",
    stragglers: int = 80,
    data_dir: Annotated[Path | None, typer.Option(envvar="NERCC_TUNE_DATA")] = None,
    home: Path = Path("nercc-home"),
    output: Path = Path("calibration"),
) -> None:
    """Measure, print the table, and write it and the figure beside `output`."""
    counts = [f"evaluation.tuning_groups={max(COUNTS)}", "evaluation.tuning_masks=20", "evaluation.heldout_masks=20"]
    counts += ["evaluation.heldout_groups=60", f"code.stragglers=[{stragglers}]"]
    spec = load_study(find_study(study), overrides=[*counts, "search.objective=prob_mse"])
    inference = Preparation(spec=spec, home=Home(home, data_dir)).load()
    setting = Setting(inference=inference, stragglers=stragglers)
    errors = {(*key, count): error for count in COUNTS for key, error in setting.errors(count).items()}
    written = table(errors)
    typer.echo(written)
    output.with_suffix(".md").write_text(written, encoding="utf-8")
    draw(errors, f"{spec.workload.model}, S = {stragglers}").savefig(output.with_suffix(".png"), dpi=150)


if __name__ == "__main__":
    typer.run(main)

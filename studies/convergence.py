"""How fast NeRCC and BACC converge in the workers N and degrade in the stragglers S, against the published bounds.

`uv run python studies/convergence.py` prints a table of log-log slopes, and writes it and a figure.

Queries are random in an interval and sorted, the model is a smooth function of one variable, λ_enc is 0. Of `uniform`
masks, any S workers alike, the mean MSE is taken; of `burst` masks, S consecutive workers around a query or at an end,
the worst for each set of queries. The mean over the noise is exact: estimates are linear in the answers, so that noise
adds σ² times the squares of their weights. λ_dec is chosen for every N, S, pattern and function on one half of the
draws, and judged on the other. Beside the functions stands `worst f`: for each query and mask the worst answers among
all functions of the node with ∫ f''² ≤ 1, the class that the bounds are for.

Reference:
    Moradi, Tahmasebi and Maddah-Ali, Coded computing: a learning-theoretic framework, arXiv 2406.00300;
    without noise, version 1 has S⁴N⁻³ and version 2 S³N⁻³.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from torch import Tensor

from nercc_tune.coding import BerrutCode, LinearCode, NerccCode, NodeSet, node_set
from nercc_tune.records import Interval
from nercc_tune.reporting.style import CODES, INK, dress, legend_above, new_figure
from nercc_tune.selection.bootstrap import CrossedBootstrap, interval

Array = NDArray[np.float64]

QUERIES = 8
REACH = 2.0  # queries lie in [-REACH, REACH]
NOISE = 0.1  # standard deviation of ε
WORKERS = (20, 40, 80, 160, 320, 640, 1280, 2000)
FEW_STRAGGLERS = 4  # while N varies
MANY_WORKERS = 1000  # while S varies
STRAGGLERS = (1, 2, 4, 8, 16, 32, 64, 128, 250)
FIT_FROM = {"N": 80, "S": 1}  # fewer workers do not resolve the functions
SMOOTHINGS = (0.0, *(10.0 ** (exponent / 3) for exponent in range(-24, 7)))
RESAMPLES = 2000

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "x sin x": lambda x: x * x.sin(),
    "exp(−x²) sin 3x": lambda x: (-(x**2)).exp() * (3 * x).sin(),
    "tanh 2x": lambda x: (2 * x).tanh(),
}
WORST = "worst f"
COLUMNS = (*FUNCTIONS, WORST)

FLOOR = (1e3 * 2.0**-52) ** 2
"""An MSE below a relative error of 1000 roundings, of answers of the order of 1, is left out of a fit."""
FLOOR_WORST = 1e-13
"""The same for `worst f`, whose MSE is the difference of sums of the order of 1."""

BOUNDS = {"N": (-3.0, -3 / 5), "S": (3.0, 8 / 5)}
"""The exponents of the bounds on NeRCC's MSE in N and in S, without and with noise; version 1 had 4 in S for 3."""
CODE_NAMES = ("NeRCC", "BACC")
PATTERNS = ("uniform", "burst")
LINES = [(pattern, code, "") for code in CODE_NAMES for pattern in PATTERNS] + [("burst", "NeRCC", WORST)]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number of workers, how many are lost, and how: a name in `PATTERNS`."""

    workers: int
    stragglers: int
    pattern: str

    @property
    def nodes(self) -> NodeSet:
        """The paper's nodes."""
        return node_set("chebyshev", queries=QUERIES, workers=self.workers)

    def arrived(self, count: int, rng: np.random.Generator) -> Tensor:
        """Return masks as the numbers of arrived workers [M, F]: `count` uniform ones, or all K + 2 bursts."""
        workers, lost = np.arange(self.workers), self.stragglers
        if self.pattern == "uniform":
            masks = [np.sort(rng.permutation(workers)[lost:]) for _ in range(count)]
        else:
            at = torch.searchsorted(self.nodes.beta, self.nodes.alpha).numpy() - (lost + 1) // 2
            starts = np.clip([0, *at, self.workers], 0, self.workers - lost)
            masks = [np.delete(workers, slice(start, start + lost)) for start in starts]
        return torch.from_numpy(np.stack(masks))


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """The MSE against N or S.

    Attributes:
        x: [P] N or S.
        mse: [P].
        resampled: [P, B] the MSE in every resample of the bootstrap.
        floor: What is not above it is rounding.
    """

    x: Array
    mse: Array
    resampled: Array
    floor: float

    def slope(self, since: float = 0) -> Interval | None:
        """Return the log-log slope from x = `since` with its 95 % interval; None for less than three points.

        Points that are not above the floor, in the mean or in a resample, are left out.
        """
        kept = (self.x >= since) & (self.mse > self.floor) & (self.resampled > self.floor).all(-1)
        if kept.sum() < 3:
            return None
        slopes = fit_slope(self.x[kept], self.resampled[kept])
        return interval(float(fit_slope(self.x[kept], self.mse[kept])), slopes)


def fit_slope(x: Array, y: Array) -> Array:
    """Return the least-squares slopes [...] of log y [P, ...] on log x [P]."""
    centred = np.log(x) - np.log(x).mean()
    slopes: Array = np.tensordot(centred, np.log(y), axes=1) / (centred**2).sum()
    return slopes


def risks(code: LinearCode, arrived: Tensor, queries: Tensor) -> Tensor:
    """Return the MSE [2, functions, G, M] without and with noise, for queries [G, K] and masks [M, F]."""
    decoder = code.decoder_matrix(arrived)
    coded = code.encoder_matrix @ queries.mT
    biases = []
    for function in FUNCTIONS.values():
        estimates = decoder @ function(coded)[arrived]
        biases.append((estimates - function(queries).mT).square().mean(dim=1).mT)
    bias = torch.stack(biases)
    return torch.stack([bias, bias + NOISE**2 * decoder.square().sum(-1).mean(-1)])


def worst_risks(nodes: NodeSet, arrived: Tensor) -> Tensor:
    """Return the MSE [2, M] of the worst answers with `∫ f''² ≤ 1`, without and with noise, at the best λ_dec.

    The error functional `c = δ(α) − Σ w_j δ(β_j)` of a spline vanishes on straight lines, so that its square norm is
    `Σ c_i c_j |t_i − t_j|³ / 12`. The norm plus `σ² Σ w²` is least, over all weights, for the smoothing spline with
    λ = σ².

    Reference:
        Wahba, Spline models for observational data (1990), sections 1.3 and 2.4.
    """
    risk = torch.zeros(2, len(arrived), dtype=torch.float64)
    for noisy, variance in enumerate((0.0, NOISE**2)):
        weights = NerccCode(nodes, lambda_enc=0.0, lambda_dec=variance).decoder_matrix(arrived)
        for mask, (numbers, weight) in enumerate(zip(arrived, weights, strict=True)):
            points = torch.cat([nodes.alpha, nodes.beta[numbers]])
            functional = torch.cat([torch.eye(len(nodes.alpha), dtype=torch.float64), -weight], dim=-1)
            kernel = (points[:, None] - points).abs_() ** 3 / 12
            norm = ((functional @ kernel) * functional).sum(-1)
            risk[noisy, mask] = (norm + variance * weight.square().sum(-1)).mean()
    return risk


Curves = dict[tuple[str, str, str, bool, str], Curve]
"""By what varies (N or S), pattern, code, whether there is noise, and column."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Queries and masks, of which λ_dec is chosen on the first and judged on the second half."""

    queries: tuple[Tensor, Tensor]
    count: int
    seed: int

    @classmethod
    def of(cls, *, repetitions: int, seed: int) -> Draws:
        """Draw the sets of queries [G, K], the same for all cells."""
        drawn = np.random.default_rng(seed).uniform(-REACH, REACH, (2, repetitions, QUERIES))
        tuning, judging = torch.from_numpy(np.sort(drawn, axis=-1))
        return cls(queries=(tuning, judging), count=repetitions, seed=seed)

    def measure(self, cell: Cell) -> Tensor:
        """Return the MSE of one cell [codes, 2, columns, G, M], without and with noise; NaN where there is none."""
        rng = np.random.default_rng([self.seed, cell.workers, cell.stragglers])
        tuning, judging = (cell.arrived(self.count, rng) for _ in range(2))
        nodes = cell.nodes

        def risk(code: LinearCode, arrived: Tensor, queries: Tensor) -> Tensor:
            values = risks(code, arrived, queries)
            return values.amax(-1, keepdim=True) if cell.pattern == "burst" else values

        codes = [NerccCode(nodes, lambda_enc=0.0, lambda_dec=smoothing) for smoothing in SMOOTHINGS]
        best = torch.stack([risk(code, tuning, self.queries[0]).mean((-1, -2)) for code in codes]).argmin(0)
        judged = {int(index): risk(codes[index], judging, self.queries[1]) for index in best.unique()}
        berrut = risk(BerrutCode(nodes), judging, self.queries[1])
        worst = worst_risks(nodes, judging)
        result = berrut.new_full((len(CODE_NAMES), 2, len(COLUMNS), *berrut.shape[-2:]), math.nan)
        for noisy, column in np.ndindex(*best.shape):
            result[0, noisy, column] = judged[int(best[noisy, column])][noisy, column]
        result[1, :, :-1] = berrut
        result[0, :, -1] = (worst.amax(-1, keepdim=True) if cell.pattern == "burst" else worst)[:, None]
        return result


def sweep(axis: str, draws: Draws, values: Sequence[int]) -> Curves:
    """Measure the MSE while N or S, as `axis` says, takes the values."""
    curves = {}
    for pattern in PATTERNS:
        shapes = [(value, FEW_STRAGGLERS) if axis == "N" else (MANY_WORKERS, value) for value in values]
        cells = [Cell(workers=workers, stragglers=lost, pattern=pattern) for workers, lost in shapes]
        errors = np.stack([draws.measure(cell).numpy() for cell in cells])
        groups, masks = errors.shape[-2:]
        bootstrap = CrossedBootstrap.draw(groups=groups, masks=masks, resamples=RESAMPLES, seed=draws.seed)
        for code, noisy, column in np.ndindex(*errors.shape[1:4]):
            points = errors[:, code, noisy, column]
            curves[axis, pattern, CODE_NAMES[code], bool(noisy), COLUMNS[column]] = Curve(
                x=np.array(values, dtype=np.float64),
                mse=points.mean((-1, -2)),
                resampled=np.stack([bootstrap.resampled(point) for point in points]),
                floor=FLOOR_WORST if COLUMNS[column] == WORST else FLOOR,
            )
    return curves


def slope_table(curves: Curves) -> str:
    """Return the fitted slopes as a Markdown table."""
    rows = [["in", "noise", "lost", "code", "bound", *COLUMNS], ["---"] * 4 + ["--:"] * (1 + len(COLUMNS))]
    for axis, noisy, pattern, code in product(BOUNDS, (False, True), PATTERNS, CODE_NAMES):
        slopes = [curves[axis, pattern, code, noisy, column].slope(FIT_FROM[axis]) for column in COLUMNS]
        bound = f"{BOUNDS[axis][noisy]:.2g}" if code == "NeRCC" else ""
        rows.append([axis, "yes" if noisy else "no", pattern, code, bound, *map(_written, slopes)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def draw(curves: Curves, column: str) -> Figure:
    """Draw the MSE for one function, and for the worst, against N above and S below, without and with noise."""
    figure = new_figure(5.6)
    panels = figure.subplots(2, 2)
    handles: dict[str, Line2D] = {}
    for (row, axis), noisy in product(enumerate(BOUNDS), (False, True)):
        axes = panels[row, int(noisy)]
        fixed = f"S = {FEW_STRAGGLERS}" if axis == "N" else f"N = {MANY_WORKERS}"
        noise = f"σ = {NOISE}" if noisy else "no noise"
        dress(axes, x=axis, y="MSE", title=f"{column}, {fixed}, {noise}")
        axes.set(xscale="log", yscale="log")
        for pattern, code, shown in LINES:
            curve = curves[axis, pattern, code, noisy, shown or column]
            style = CODES["tuned" if code == "NeRCC" else "bacc"]
            (line,) = axes.plot(
                *(curve.x, curve.mse),
                label=f"{code}, {pattern}" + (f", {shown}" if shown else ""),
                color=INK if shown else style.colour,
                marker=style.marker,
                linestyle="--" if pattern == "burst" else "-",
                linewidth=1.2,
                markersize=4,
            )
            handles[str(line.get_label())] = line
        anchor = 0 if axis == "N" else -1
        highest = curves[axis, "burst", "NeRCC", noisy, column]
        bound = highest.mse[anchor] * (highest.x / highest.x[anchor]) ** BOUNDS[axis][noisy]
        (line,) = axes.plot(highest.x, bound, color=INK, linestyle=":", linewidth=1, label="slope of the bound")
        handles[str(line.get_label())] = line
    legend_above(figure, list(handles.values()), columns=3)
    return figure


def main(
    *,
    repetitions: Annotated[
        int, typer.Option(min=2, help="Sets of queries, and masks, to tune on and to judge on.")
    ] = 40,
    seed: int = 0,
    output: Annotated[Path, typer.Option(help="Where the table and the figure go.")] = Path("nercc-home/convergence"),
) -> None:
    """Measure the slopes, print them as a table, and write the table and a figure."""
    draws = Draws.of(repetitions=repetitions, seed=seed)
    curves = sweep("N", draws, WORKERS) | sweep("S", draws, STRAGGLERS)
    table = slope_table(curves)
    output.mkdir(parents=True, exist_ok=True)
    (output / "convergence.md").write_text(table, encoding="utf-8")
    draw(curves, next(iter(FUNCTIONS))).savefig(output / "convergence.png")
    typer.echo(table)


def _written(slope: Interval | None) -> str:
    if slope is None:
        return "–"
    if slope.high - slope.low < 0.005:
        return f"{slope.mean:.2f}"
    return f"{slope.mean:.2f} [{slope.low:.2f}, {slope.high:.2f}]"


if __name__ == "__main__":
    typer.run(main)

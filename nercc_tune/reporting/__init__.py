"""Figures and static reports of a study, for the CLI, for MLflow and for the dashboard."""

from nercc_tune.reporting.coded_queries import figure_coded_queries
from nercc_tune.reporting.convergence import figure_history
from nercc_tune.reporting.figures import CodedQueries, FigureFormat, draw_figures, write_figures
from nercc_tune.reporting.front import figure_front
from nercc_tune.reporting.landscape import figure_landscape
from nercc_tune.reporting.smoothing import figure_smoothing
from nercc_tune.reporting.stragglers import figure_stragglers
from nercc_tune.reporting.style import CODES, CodeStyle
from nercc_tune.reporting.summary import summarise
from nercc_tune.reporting.waiting import figure_waiting

__all__ = [
    "CODES",
    "CodeStyle",
    "CodedQueries",
    "FigureFormat",
    "draw_figures",
    "figure_coded_queries",
    "figure_front",
    "figure_history",
    "figure_landscape",
    "figure_smoothing",
    "figure_stragglers",
    "figure_waiting",
    "summarise",
    "write_figures",
]

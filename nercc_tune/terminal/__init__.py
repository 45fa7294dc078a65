"""What the commands show: progress while a study runs, tables when it is done."""

from nercc_tune.terminal.adding import adding_progress
from nercc_tune.terminal.advice import table_of_advice
from nercc_tune.terminal.comparison import COMPARISON_KEY, table_of_setting
from nercc_tune.terminal.figures import show_parameter, show_smoothing
from nercc_tune.terminal.needs import line_of_need, table_of_needs
from nercc_tune.terminal.planning import lines_of_plan, table_of_plan
from nercc_tune.terminal.progress import LaunchProgress
from nercc_tune.terminal.results import (
    closing_lines,
    cost_lines,
    family_closing_lines,
    policy_lines,
    table_of_results,
)
from nercc_tune.terminal.studies import describe_studies, table_of_studies
from nercc_tune.terminal.times import table_of_times
from nercc_tune.terminal.training import LaunchTraining, training_progress
from nercc_tune.terminal.warnings import warnings_of
from nercc_tune.terminal.wrong_answers import distrust_lines, table_of_wrong_answers
from nercc_tune.text.console import make_console

__all__ = [
    "COMPARISON_KEY",
    "LaunchProgress",
    "LaunchTraining",
    "adding_progress",
    "closing_lines",
    "cost_lines",
    "describe_studies",
    "distrust_lines",
    "family_closing_lines",
    "line_of_need",
    "lines_of_plan",
    "make_console",
    "policy_lines",
    "show_parameter",
    "show_smoothing",
    "table_of_advice",
    "table_of_needs",
    "table_of_plan",
    "table_of_results",
    "table_of_setting",
    "table_of_studies",
    "table_of_times",
    "table_of_wrong_answers",
    "training_progress",
    "warnings_of",
]

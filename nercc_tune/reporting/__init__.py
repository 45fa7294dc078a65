"""Figures and static reports of a study, for the CLI, for MLflow and for the dashboard."""

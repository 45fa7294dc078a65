"""Deployment: the registered models of MLflow, and which of their versions serve."""

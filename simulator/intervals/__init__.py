"""Intervals for any estimator's terms."""

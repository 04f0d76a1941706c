"""Estimators of a policy's value on rankings, and exact placement probabilities."""

"""Estimators of a policy's value on single choices: one file each, per-round terms out."""

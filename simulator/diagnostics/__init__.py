"""Whether an estimate may be trusted: overlap, mean weight, propensity calibration, a verdict."""

from simulator.diagnostics.histogram import weight_histogram
from simulator.diagnostics.propensities import calibration
from simulator.diagnostics.verdicts import diagnose

__all__ = ["calibration", "diagnose", "weight_histogram"]

"""Reports: one self-contained HTML file from one result of :mod:`simulator.results`."""

from simulator.report.write import render_report, write_report

__all__ = ["render_report", "write_report"]

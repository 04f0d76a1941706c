"""Estimators of a policy's value on rankings, and exact placement probabilities.

One file an estimator (:mod:`simulator.rankings.registry` names them all), from
:class:`simulator.rankings.inputs.RankingInputs` to :class:`simulator.terms.Terms`.
"""

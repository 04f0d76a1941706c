"""Exploration: scores in, probabilities out. One strategy a file, told apart by ``type``."""

from bandit.exploration.epsilon_greedy import EpsilonGreedy
from bandit.exploration.greedy import Greedy
from bandit.exploration.softmax import Softmax
from bandit.exploration.squarecb import SquareCB
from bandit.exploration.strategy import Strategy
from bandit.exploration.thompson import Thompson
from bandit.exploration.uniform import Uniform

Exploration = Uniform | Greedy | EpsilonGreedy | Softmax | SquareCB | Thompson

__all__ = [
    "EpsilonGreedy",
    "Exploration",
    "Greedy",
    "Softmax",
    "SquareCB",
    "Strategy",
    "Thompson",
    "Uniform",
]

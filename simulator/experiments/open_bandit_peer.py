"""What the Open Bandit Pipeline 0.5.7 says of the same files and the same probabilities.

These are outputs of ``tests/peers/obp_open_bandit.py``, which tells how to run it and with what
settings; IPS and SNIPS need no reward model and are to be ours digit by digit, the others have the
peer's own model. Keys are the campaign and the policy judged, on the log of the other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PEER: Final[Mapping[tuple[str, str], Mapping[str, float]]] = MappingProxyType(
    {
        ("men", "bts"): {
            "ips": 0.005650978124960822,
            "snips": 0.005734066326289625,
            "dm": 0.00441292463323726,
            "dr": 0.005704771176732178,
            "sndr": 0.005723765623944371,
            "switch-dr=10": 0.005704771176732178,
            "dros=100": 0.005564257685981272,
            "mrdr": 0.005783869233810333,
        },
        ("men", "random"): {
            "ips": 0.0030086263272564836,
            "snips": 0.003189423162277392,
            "dm": 0.006629758002449355,
            "dr": 0.003475533801231958,
            "sndr": 0.0032859875796357107,
            "switch-dr=10": 0.005490986871212997,
            "dros=100": 0.005309704278044517,
            "mrdr": 0.0026034584883613157,
        },
        ("women", "bts"): {
            "ips": 0.005797462528769671,
            "snips": 0.005824583203004559,
            "dm": 0.004499269085222531,
            "dr": 0.005800409819576424,
            "sndr": 0.00580649658836795,
            "switch-dr=10": 0.005800409819576424,
            "dros=100": 0.005810000597811087,
            "mrdr": 0.005779121578113315,
        },
        ("women", "random"): {
            "ips": 0.007437577541923159,
            "snips": 0.002373046143447756,
            "dm": 0.0046319203016098225,
            "dr": -0.006831934339941134,
            "sndr": 0.0009742433371900518,
            "switch-dr=10": 0.004111603971187192,
            "dros=100": 0.004690251742990342,
            "mrdr": 0.004841121836667517,
        },
    }
)

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bandit.config import parse_config
from bandit.config.overlay import Challenger, make_challenger, read_challenger
from bandit.config.schema import ChallengerConfig, Config
from bandit.errors import ConfigError
from bandit.exploration import Greedy

CHAMPION = parse_config(
    {
        "surfaces": {
            "artwork": {
                "model": {"bits": 12, "learning_rate": 0.1},
                "exploration": {"type": "squarecb", "gamma": 30.0},
            }
        },
        "reward": {"click": 0.3, "close_after_play_s": "none"},
    }
)


def test_what_is_set_is_changed_and_nothing_else() -> None:
    made = make_challenger(
        CHAMPION,
        {
            "surfaces": {
                "artwork": {
                    "model": {"bits": 14, "half_life_s": 60.0},
                    "exploration": {"type": "greedy"},
                }
            },
            "reward": {"click": 0.4},
        },
        "x.toml",
    )
    artwork = made.config.surfaces.artwork
    assert artwork.exploration == Greedy()
    assert artwork.model == msgspec.structs.replace(
        CHAMPION.surfaces.artwork.model, bits=14, half_life_s=60.0
    )
    assert made.config.surfaces.rows == CHAMPION.surfaces.rows
    assert made.config.reward == msgspec.structs.replace(CHAMPION.reward, click=0.4)
    assert made.config.log == CHAMPION.log
    assert made.config.learner.directory == "state/challenger/learner"
    assert made.config.snapshots.directory == "state/challenger/snapshots"
    assert made.changes["surfaces.artwork.model.bits"] == (12, 14)
    assert made.changes["surfaces.artwork.exploration.type"] == ("squarecb", "greedy")
    assert made.changes["surfaces.artwork.exploration.gamma"] == (30.0, None)


def test_a_strategy_is_replaced_as_a_whole() -> None:
    made = make_challenger(
        CHAMPION, {"surfaces": {"artwork": {"exploration": {"type": "squarecb"}}}}, "x.toml"
    )
    default = parse_config({"surfaces": {"artwork": {"exploration": {"type": "squarecb"}}}})
    assert made.config.surfaces.artwork.exploration == default.surfaces.artwork.exploration


@pytest.mark.parametrize(
    ("overlay", "path", "words"),
    [
        ({"surfaces": {"artwork": {"model": {"bit": 12}}}}, "surfaces.artwork.model.bit", "bits"),
        ({"surfaces": {"artwork": {"model": {"bits": 99}}}}, "surfaces.artwork.model.bits", "99"),
        ({"surfaces": {"artwork": {"holdout": 0.5}}}, "surfaces.artwork.holdout", "differ"),
        ({"surfaces": {"salt": "x"}}, "surfaces.salt", "differ"),
        ({"server": {"port": 1}}, "server", "differ"),
        ({"reward": {"window_s": 5.0}}, "reward.window_s", "same outcomes"),
        (
            {"surfaces": {"rows": {"exploration": {"type": "gredy"}}}},
            "surfaces.rows.exploration.type",
            "greedy",
        ),
        (
            {"surfaces": {"artwork": {"model": {"l2": 9999.0}}}},
            "surfaces.artwork.model.l2",
            "at most",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_key_and_the_file(
    overlay: dict[str, Any], path: str, words: str
) -> None:
    with pytest.raises(ConfigError) as told:
        make_challenger(CHAMPION, overlay, "candidate.toml")
    assert told.value.path == path
    assert words in str(told.value)
    assert "candidate.toml" in str(told.value)
    assert "mend" in told.value.hint


def test_it_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "candidate.toml"
    config = Config(challenger=ChallengerConfig(config=str(file)))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_challenger(config)
    file.write_text("[surfaces.artwork.model]\nbits = 13\n")
    made = read_challenger(config)
    assert made is not None
    assert made.config.surfaces.artwork.model.bits == 13
    assert msgspec.json.decode(msgspec.json.encode(made), type=Challenger) == made
    assert read_challenger(Config()) is None


def test_a_file_that_says_the_same_is_the_same_challenger() -> None:
    def digest(**model: Any) -> str:
        overlay = {"surfaces": {"artwork": {"model": model}}}
        return make_challenger(CHAMPION, overlay, "x").overlay

    assert digest(bits=13, l2=0.0) == digest(l2=0.0, bits=13)
    assert digest(bits=13) != digest(bits=14)

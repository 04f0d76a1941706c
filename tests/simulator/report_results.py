"""Results of every kind for the tests of reports: plausible numbers, from a fixed seed."""

from __future__ import annotations

import numpy as np

from simulator.results import (
    About,
    CalibrationBin,
    Candidate,
    Comparison,
    CurvePoint,
    DataSummary,
    Diagnostics,
    Estimate,
    Evaluation,
    GroupRow,
    Histogram,
    Interval,
    Result,
    Search,
    SimulatedPolicy,
    Simulation,
)

POLICIES = ("uniform", "learned: boosting", "editorial order")
ESTIMATORS = ("ips", "snips", "dm", "dr", "switch-dr")
SEEDS = list(range(10))


def about(command: str = "marquee-sim evaluate log --policy a.toml") -> About:
    return About(
        command=command,
        seed=7,
        started_at="2026-01-02T03:04:05Z",
        took_s=12.34,
        versions={"marquee": "0.1.0", "numpy": "2.4.0", "python": "3.11.2"},
        machine="x86_64, 4 cores",
    )


def intervals(value: float, half: float) -> list[Interval]:
    return [
        Interval(method=method, level=0.95, low=value - half * by, high=value + half * by)
        for method, by in (("normal", 1.0), ("bootstrap", 1.1))
    ]


def diagnostics(*, sound: bool = True) -> Diagnostics:
    return Diagnostics(
        rounds=10_000,
        effective_rounds=6_412.7 if sound else 37.2,
        weight_max=4.25 if sound else 812.6,
        weight_mean=1.003 if sound else 0.62,
        weight_mean_p=0.61 if sound else 0.0004,
        zero_overlap_share=0.0 if sound else 0.834,
        sound=sound,
        verdict=(
            "Enough overlap: 6,413 of 10,000 rounds count in full."
            if sound
            else "Not enough overlap: 37 effective rounds; gather more explore traffic."
        ),
        warnings=[] if sound else ["The mean weight is 0.62 where 1 is expected."],
    )


def estimate(
    policy: str, estimator: str, value: float | None, half: float, *, sound: bool = True
) -> Estimate:
    return Estimate(
        policy=policy,
        estimator=estimator,
        value=value,
        intervals=[] if value is None else intervals(value, half),
        parameters={"lambda": 12.5, "chosen by": "slope"} if estimator == "switch-dr" else {},
        diagnostics=diagnostics(sound=sound),
    )


def data(name: str = "obd: random/men") -> DataSummary:
    return DataSummary(
        name=name,
        kind="choices",
        rounds=10_000,
        viewers=2_310,
        actions=34,
        logged_mean=0.0046,
        logged_interval=Interval(method="normal", level=0.95, low=0.0033, high=0.0059),
        propensities="logged",
        skipped=3,
        notes=["Rows are single positions; displays cannot be linked."],
    )


def evaluation(policies: tuple[str, ...] = POLICIES) -> Evaluation:
    draws = np.random.default_rng(1)
    estimates = [
        estimate(
            policy,
            estimator,
            0.0046 + 0.002 * place + 0.0004 * float(draws.normal()),
            (0.0011 if place < 2 else 0.02) * (0.7 if "dr" in estimator else 1.0),
            sound=place < 2,
        )
        for place, policy in enumerate(policies)
        for estimator in ESTIMATORS
    ]
    edges = [0.0, *np.geomspace(0.01, 1000, 24).tolist()]
    return Evaluation(
        about=about(),
        data=data(),
        estimates=estimates,
        weights={
            policy: Histogram(
                edges=edges,
                counts=np.histogram(draws.lognormal(-place, 0.5 + place, 10_000), edges)[
                    0
                ].tolist(),
            )
            for place, policy in enumerate(policies)
        },
        calibration=[
            CalibrationBin(
                predicted=p,
                observed=p * (1 + 0.2 * float(draws.normal())),
                low=p * 0.7,
                high=p * 1.3,
                count=900,
            )
            for p in np.geomspace(0.0002, 0.7, 10).tolist()
        ],
        segments=[_group(policy, f"segment {i}") for policy in policies for i in range(3)],
        positions=[_group(policy, str(i)) for policy in policies for i in range(3)],
    )


def simulation(
    policies: tuple[str, ...] = ("oracle", "segment-ts", "linucb", "uniform"),
) -> Simulation:
    draws = np.random.default_rng(2)
    found = []
    for place, policy in enumerate(policies):
        pages = np.arange(1, 101) * 1000
        regret = place * 8 * np.sqrt(pages) * (1 if place < 3 else 3)
        reward = 0.42 - 0.06 * place + 0.005 * draws.normal(size=100)
        by_seed = (0.41 - 0.06 * place + 0.01 * draws.normal(size=10)).tolist()
        found.append(
            SimulatedPolicy(
                policy=policy,
                curve=[
                    CurvePoint(
                        pages=int(n),
                        reward=float(r),
                        reward_low=float(r) - 0.01,
                        reward_high=float(r) + 0.01,
                        regret=float(g),
                        regret_low=float(g) * 0.9,
                        regret_high=float(g) * 1.1,
                    )
                    for n, r, g in zip(pages, reward, regret, strict=True)
                ],
                final_reward=Interval(
                    method="t", level=0.95, low=0.40 - 0.06 * place, high=0.42 - 0.06 * place
                ),
                final_reward_mean=float(np.mean(by_seed)),
                final_regret_mean=float(regret[-1]),
                final_regret=Interval(
                    method="t",
                    level=0.95,
                    low=float(regret[-1]) * 0.9,
                    high=float(regret[-1]) * 1.1,
                ),
                pages_per_second=52_000.0 / (place + 1),
                by_seed=by_seed,
            )
        )
    return Simulation(
        about=about("marquee-sim simulate homepage --policies oracle,uniform"),
        environment="homepage",
        description="Viewers with latent tastes; 240 titles, drift, delayed feedback.",
        pages=100_000,
        batch=1_000,
        seeds=SEEDS,
        policies=found,
    )


def search() -> Search:
    candidates = [
        Candidate(
            settings={
                "surfaces.artwork.exploration.epsilon": 0.01 * (i + 1),
                "surfaces.artwork.learner.step": "fast" if i % 2 else "slow",
            },
            tuning_value=0.0071 - 0.0001 * i,
            tuning_low=0.006 - 0.0001 * i,
            tuning_high=0.0082 - 0.0001 * i,
        )
        for i in range(24)
    ]
    return Search(
        about=about("marquee-sim search log --base a.toml"),
        data=data(),
        estimator="dr",
        candidates=candidates,
        chosen=estimate("best of 24", "dr", 0.0066, 0.0009),
        baseline=estimate("base", "dr", 0.0054, 0.0008),
        written="best.toml",
    )


def comparison() -> Comparison:
    return Comparison(
        about=about("marquee-sim compare log a.toml b.toml"),
        data=data(),
        first=estimate("a", "dr", 0.0051, 0.0012),
        second=estimate("b", "dr", 0.0063, 0.0012, sound=False),
        estimator="dr",
        difference=0.0012,
        intervals=intervals(0.0012, 0.0007),
        p_value=0.0008,
        verdict="b earns more than a.",
    )


def every_result() -> dict[str, Result]:
    return {
        "evaluation": evaluation(),
        "simulation": simulation(),
        "search": search(),
        "comparison": comparison(),
    }


def _group(policy: str, group: str) -> GroupRow:
    return GroupRow(
        policy=policy,
        group=group,
        rounds=3_333,
        logged_mean=0.0046,
        estimate=None if group.endswith("2") else 0.0051,
        low=None if group.endswith("2") else 0.0031,
        high=None if group.endswith("2") else 0.0071,
        effective_rounds=2_100.4,
    )

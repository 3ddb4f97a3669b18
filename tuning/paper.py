"""The paper's own figures, for the columns that stand beside ours.

Source: Cho, Liu, Zhou and Chen, "Communication-Free Two-Stage Multi-Agent DDPG under Partial
States and Observations", Figures 3b and 3c. The paper names neither the buses of each group nor
the cost coefficients, so its numbers are a yardstick, not a target.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuning.statistics import CDF_AT_PER_CENT


@dataclass(frozen=True)
class PaperResult:
    """One column of the paper's Figure 3.

    Attributes:
        name: The paper's name of the algorithm.
        per_mean: Mean PER, a fraction.
        per_cdf: Pr(PER < x) for x of "5" .. "30" per cent, fractions.
        stage_episodes: Training episodes of the last stage, as printed.
        episodes: Training episodes in all, as printed.
    """

    name: str
    per_mean: float
    per_cdf: dict[str, float]
    stage_episodes: str
    episodes: str


def _cdf(*per_cent: float) -> dict[str, float]:
    return {str(x): share / 100 for x, share in zip(CDF_AT_PER_CENT, per_cent, strict=True)}


MADDPG_1 = PaperResult(
    name="MADDPG-1",
    per_mean=0.2825,
    per_cdf=_cdf(0.97, 13.98, 31.75, 46.89, 59.2, 68.77),
    stage_episodes="620,00*",
    episodes="620,00*",
)
TS_MADDPG = PaperResult(
    name="TS-MADDPG",
    per_mean=0.175,
    per_cdf=_cdf(10.79, 35.81, 54.39, 68.26, 78.24, 85.21),
    stage_episodes="10,000",
    episodes="630,000",
)
FOOTNOTE = "* as printed in the paper, which calls it similar to stage 1 of TS-MADDPG (620,000)"

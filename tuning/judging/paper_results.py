"""The paper's own figures, for the columns that stand beside ours.

Source: Cho, Liu, Zhou and Chen, "Communication-Free Two-Stage Multi-Agent DDPG under Partial
States and Observations", Figures 3b and 3c. The paper names neither the buses of each group nor
the cost coefficients, so its numbers are a yardstick, not a target.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuning.judging.samples import CDF_AT_PER_CENT


@dataclass(frozen=True)
class PaperResult:
    """One column of the paper's Figure 3.

    Attributes:
        name: The paper's name of the algorithm.
        per_mean: Mean PER, a fraction.
        per_cdf: Pr(PER < x) for x of "5" .. "30" per cent, fractions; empty where none is given.
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
MADDPG_2 = PaperResult(
    name="MADDPG-2",
    per_mean=0.2825,
    per_cdf=dict(MADDPG_1.per_cdf),
    stage_episodes="750,00*",
    episodes="750,00*",
)
MA_RDPG = PaperResult(
    name="MA-RDPG",
    per_mean=0.1921,
    per_cdf=_cdf(8.49, 32.23, 49.64, 63.28, 73.63, 81.44),
    stage_episodes="1,140,000",
    episodes="1,140,000",
)
FULL_STATE = PaperResult(  # in the text of its section V alone
    name="MADDPG, full states", per_mean=0.08, per_cdf={}, stage_episodes="", episodes=""
)
PAPER_ROWS = {  # by the name of ``--algorithm``
    "maddpg-1": MADDPG_1,
    "maddpg-2": MADDPG_2,
    "ma-rdpg": MA_RDPG,
    "full-state": FULL_STATE,
    "ts-maddpg": TS_MADDPG,
}
FOOTNOTE = "* as printed in the paper, which calls it similar to stage 1 of TS-MADDPG (620,000)"

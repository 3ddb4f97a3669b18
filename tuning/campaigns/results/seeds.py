"""What several seeds come to: their interquartile mean with a stratified bootstrap interval, after
Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuning.drawing.sheets import number
from tuning.judging.samples import Floats

TRIMMED = 0.25  # on each side: what is left is the interquartile mean
RESAMPLES = 5_000
LEVEL = 0.95
INTERVAL_RULE = (
    f"interquartile mean over seeds [{LEVEL:.0%} stratified bootstrap interval, "
    f"{RESAMPLES:,} resamples]; plain mean below 4 seeds, no interval for one"
)
_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Summary:
    """A figure over seeds.

    Attributes:
        iqm: Interquartile mean; None where a seed has no value.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
        values: Of each seed.
    """

    iqm: float | None
    low: float | None
    high: float | None
    values: tuple[float | None, ...]

    def middle(self, factor: float = 1.0) -> str:
        """Return the mean as text, nothing where there is none."""
        return number(self.iqm, factor)

    def interval(self, factor: float = 1.0) -> str:
        """Return ``middle [low, high]``, or the middle alone where there is no interval."""
        middle = self.middle(factor)
        if not middle or self.low is None or self.low == self.high:
            return middle
        return f"{middle} [{number(self.low, factor)}, {number(self.high, factor)}]"

    def count(self) -> str:
        """Return a number of episodes or seconds; where some seeds have none, how many have."""
        known = [value for value in self.values if value is not None]
        if len(known) == len(self.values):
            return f"{self.iqm:,.0f}"
        return f"{len(known)} of {len(self.values)} seeds" if known else "never"


def interquartile_mean(values: Sequence[float] | Floats, axis: int = -1) -> Any:
    """Return the mean of the middle half: a quarter of the values, rounded down, off each end."""
    from scipy.stats import trim_mean

    return trim_mean(values, TRIMMED, axis=axis)


def summarise(*strata: Sequence[float | None]) -> Summary:
    """Summarise runs by interquartile mean and stratified bootstrap interval.

    Args:
        strata: The values of the seeds of each stratum (a case); each is resampled by itself.

    Returns:
        Mean and interval are None if any value is; the interval is None if a stratum has a single
        value.
    """
    listed = tuple(value for stratum in strata for value in stratum)
    known = [[value for value in stratum if value is not None] for stratum in strata]
    if not listed or any(value is None for value in listed):
        return Summary(None, None, None, listed)
    mean = float(interquartile_mean([value for stratum in known for value in stratum]))
    if min(map(len, known)) < 2:
        return Summary(mean, None, None, listed)
    return Summary(mean, *_interval([np.asarray(stratum, float) for stratum in known]), listed)


def _interval(samples: list[Floats]) -> tuple[float, float]:
    from scipy.stats import bootstrap

    def statistic(*resampled: Floats, axis: int = -1) -> Any:
        return interquartile_mean(np.concatenate(resampled, axis=axis), axis=axis)

    done = bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(_BOOTSTRAP_SEED),
    )
    return float(done.confidence_interval.low), float(done.confidence_interval.high)

"""Figures of samples: mean with its interval, distribution function, histogram. Pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NORMAL_95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution
CDF_AT_PER_CENT = (5, 10, 15, 20, 25, 30)  # the rows of the paper's Figure 3b
HISTOGRAM_EDGES = np.arange(-50, 401) / 200  # bins of 0.5 %, from -25 % to 200 %


def mean_ci95(sample: Floats) -> tuple[float, float, float]:
    """Return the mean and its 95 % confidence interval, by the normal distribution.

    Args:
        sample: (N,) independent values; NaN are left out.

    Returns:
        ``(mean, low, high)``; NaN where too few values are left to tell.
    """
    values = sample[~np.isnan(sample)]
    if values.size == 0:
        return float("nan"), float("nan"), float("nan")
    mean = float(values.mean())
    if values.size == 1:
        return mean, float("nan"), float("nan")
    half = NORMAL_95 * float(values.std(ddof=1)) / float(np.sqrt(values.size))
    return mean, mean - half, mean + half


def cdf(sample: Floats) -> dict[str, float]:
    """Return Pr(value < x) for x of 5, 10, ..., 30 %, as in the paper's Figure 3b.

    Args:
        sample: (N,) fractions; NaN are left out.

    Returns:
        ``{"5": share below 0.05, ..., "30": share below 0.30}``; NaN for an empty sample.
    """
    values = sample[~np.isnan(sample)]
    if values.size == 0:
        return {str(x): float("nan") for x in CDF_AT_PER_CENT}
    return {str(x): float(np.mean(values < x / 100)) for x in CDF_AT_PER_CENT}


def histogram(sample: Floats) -> dict[str, Any]:
    """Count a sample in bins that are the same for every run, so that histograms compare.

    Args:
        sample: (N,) fractions; NaN are left out.

    Returns:
        ``edges`` (bins + 1), ``counts`` (bins), and the numbers of values ``below`` the first edge
        and ``above`` the last.
    """
    values = sample[~np.isnan(sample)]
    counts, _ = np.histogram(values, bins=HISTOGRAM_EDGES)
    return {
        "edges": HISTOGRAM_EDGES.tolist(),
        "counts": counts.tolist(),
        "below": int(np.sum(values < HISTOGRAM_EDGES[0])),
        "above": int(np.sum(values > HISTOGRAM_EDGES[-1])),
    }


def reward_error(cost: Floats, optimal_cost: Floats) -> Floats:
    """Return the reward percentage error rate ``PER = (r* - r) / |r*|`` with ``r = -cost``.

    The paper prints it without the absolute value, which would be negative for negative rewards.

    Args:
        cost: (N,) kW, without voltage penalty.
        optimal_cost: (N,) kW, of the optimal dispatch (4); NaN where that is infeasible.

    Returns:
        (N,) fractions, NaN where the optimum is infeasible or costs exactly nothing.
    """
    yardstick = np.where(optimal_cost == 0.0, np.nan, np.abs(optimal_cost))
    result: Floats = (cost - optimal_cost) / yardstick
    return result

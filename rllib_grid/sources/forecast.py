"""What to expect of the rest of a day, from past days and the present."""

from __future__ import annotations

import numpy as np

from rllib_grid.checks import Array
from rllib_grid.sources.profiles import Profiles

_LEAST_PRICE = 1e-3  # EUR per kWh; a dispatch at negative prices would pay for waste


class Forecast:
    """Mean profile by step of the day, towards which the present deviation fades.

    For each of p_base and q_base at every bus, for the price and for the outdoor temperature,

        E[x_t+k | x_t] = mean_t+k + rho^k (x_t - mean_t),

    with the mean over past days and rho their correlation from step to step (one number per
    quantity and bus): the mean profile for rho = 0, persistence of the deviation for rho = 1.

    Args:
        past: days to learn from.
    """

    def __init__(self, past: Profiles) -> None:
        self._p = _Series(past.p_base_kw)
        self._q = _Series(past.q_base_kvar)
        self._price = _Series(past.price_eur_per_kwh[:, :, None])
        self._outdoor = _Series(past.outdoor_c[:, :, None])

    def rest_of_day(
        self, step: int, p_base_kw: Array, q_base_kvar: Array, price_eur_per_kwh: Array
    ) -> tuple[Array, Array, Array]:
        """The present and what is expected of the steps behind it.

        Args:
            step: of the present, 0..T - 1.
            p_base_kw, q_base_kvar: (N, n) at present.
            price_eur_per_kwh: (N,) at present.

        Returns:
            p_base_kw (N, T - step, n), q_base_kvar (the same) and price_eur_per_kwh (N, T - step),
            each with the present first.
        """
        price = self._price.ahead(step, price_eur_per_kwh[:, None])[:, :, 0]
        price[:, 1:] = np.maximum(price[:, 1:], _LEAST_PRICE)
        return self._p.ahead(step, p_base_kw), self._q.ahead(step, q_base_kvar), price

    def outdoor_ahead_c(self, step: int, outdoor_c: Array) -> Array:
        """The present outdoor temperature (N,) and what is expected behind it: (N, T - step)."""
        result: Array = self._outdoor.ahead(step, outdoor_c[:, None])[:, :, 0]
        return result


class _Series:
    """Mean (T, k) and persistence (k,) of a quantity, from values (D, T, k)."""

    def __init__(self, values: Array) -> None:
        self.mean = values.mean(axis=0)
        deviation = values - self.mean
        before, after = deviation[:, :-1], deviation[:, 1:]
        power = np.square(before).sum(axis=(0, 1))
        both = (before * after).sum(axis=(0, 1))
        self.rho = np.clip(both / np.where(power > 0, power, 1.0), 0.0, 1.0)

    def ahead(self, step: int, now: Array) -> Array:
        """(N, k) at present -> (N, T - step, k)."""
        rest = self.mean[step:]
        fading = self.rho ** np.arange(len(rest))[:, None]  # (T - step, k)
        deviation = now - self.mean[step]
        result: Array = rest + fading * deviation[:, None, :]
        return result

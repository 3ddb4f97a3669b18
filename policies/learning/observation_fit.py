"""Least squares of what is measured: see `FittedObservations`."""

from __future__ import annotations

import torch
from torch import Tensor

from policies.learning.quadratic_fit import Directions, held_out
from policies.networks.fitted_observations import straightened

BETTER = 0.9  # factor on the held-out error from which a bend is kept


def fit_observations(z: Tensor, obs: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """The coefficients of `FittedObservations`.

    Args:
        z: (N, D) states and actions.
        obs: (N, O), what was measured.
        weight: (N,) >= 0, what rows count.

    Returns:
        By the names of its buffers.
    """
    aside = held_out(len(z), z.device)
    rows = ~aside
    share = (weight[rows] / weight[rows].sum()).double()
    directions = Directions(z[rows], share)
    w = directions.whitened(z.double())
    seen = obs.double()
    gram = (w[rows].t() * share) @ w[rows]
    gram.diagonal().add_(1e-12)

    def solved(y: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients (R + 1, O), and what they leave of all rows."""
        x = torch.linalg.solve(gram, (w[rows].t() * share) @ y[rows])
        return x, y - w @ x

    (straight, left), (bent, left2) = solved(seen), solved(seen.square())
    inner = share @ (left2[rows] * left[rows])
    size = share @ left2[rows].square()
    bend = -inner / size.clamp(min=1e-30)
    counts, judged = weight[aside].double(), seen[aside]
    before = counts @ left[aside].square()
    # By what is told without o itself: errors of meters are in o^2 too.
    told = straightened(w[aside] @ (straight + bend * bent), bend)
    after = counts @ (told - judged).square()
    bend = torch.where(after < BETTER**2 * before, bend, 0.0)
    linear, constant = directions.linear(straight + bend * bent)
    return {
        "mean": directions.mean,
        "constant": constant,
        "linear": linear,
        "bend": bend,
    }

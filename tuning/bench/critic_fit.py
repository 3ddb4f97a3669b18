"""The fit of a critic in closed form, beside what its matrix products alone would take."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from policies.learning.quadratic_fit import Directions, Rows, fit_quadratic
from policies.staged.sizes import directions_of, rows_to_fit
from rllib_grid import JointGridEnv, make_case
from tuning.bench.measuring import Sides

SURVEYED = 4_096  # rows that tell the directions
FIT = "both products of the fit"
FEWEST = 10_000  # rows of an iteration, so that a small case is measured at a training's size


def drawn(case: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows of random actions, (N, S + A), and their rewards (1, N)."""
    env = JointGridEnv(make_case(case), count, seed)
    state = env.reset()
    action = np.random.default_rng(seed).uniform(-1.0, 1.0, state.shape).astype(np.float32)
    z = np.concatenate([state, action], axis=1)
    reward = env.step(action).agent_reward[:, 0].astype(np.float32)
    return torch.from_numpy(z), torch.from_numpy(reward)[None]


def training_rows(case: str, seed: int) -> int:
    """To how many rows a training of the case fits first."""
    z, _ = drawn(case, SURVEYED, seed)
    return rows_to_fit(directions_of(z))


def iteration(case: str, count: int, seed: int) -> Sides:
    """One iteration of the fit, and its products; the work is the rows that it passes."""
    z, y = drawn(case, count, seed)
    rows = Rows(z, y, torch.ones(count))
    rows.whiten(Directions(rows.z, rows.weight))
    width = rows.w.shape[1]
    x = torch.randn(1, width, width, generator=torch.Generator().manual_seed(seed))
    across, back = torch.empty_like(rows.w), torch.empty_like(x[0])

    def fitted() -> int:
        rows.adjoint(rows.values(x))
        return count

    def products() -> int:
        torch.mm(rows.w, x[0], out=across)
        torch.mm(rows.w.t(), rows.w, out=back)
        return count

    return {FIT: fitted, "matrix multiplication alone": products}


def iteration_at_training_size(case: str, seed: int) -> Sides:
    """See `iteration`, of as many rows as a training of the case fits to."""
    return iteration(case, max(FEWEST, training_rows(case, seed)), seed)


def whole(case: str, seed: int) -> Sides:
    """A whole fit to as many rows as a training begins with."""
    count = training_rows(case, seed)
    z, y = drawn(case, count, seed)

    def fit() -> int:
        fit_quadratic(z, y)
        return 1

    return {f"to {count:,} rows": fit}

"""Two teams that share every minibatch, as two learners do, in two threads of one process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch


def work_in_halves(teams, rows, rule, updates):
    """Update each of two equal teams with its half of the rows, gradients averaged over both.

    Args:
        teams: two, with the same weights.
        rows: columns of an even number of rows.
        rule: of the updates.
        updates: how many, all with the same rows.

    Returns:
        Losses (updates, 2), the mean of both teams'.
    """
    given, met = [None, None], threading.Barrier(2, timeout=60)

    def work(i):
        def average(gradients):
            given[i] = [gradient.clone() for gradient in gradients]
            met.wait()
            for gradient, *both in zip(gradients, *given, strict=True):
                gradient.copy_(sum(both) / 2)
            met.wait()  # before anybody gives the next

        mine = {name: column.chunk(2)[i] for name, column in rows.items()}
        return [teams[i].update(mine, rule, average) for _ in range(updates)]

    with ThreadPoolExecutor(2) as pool:
        return torch.tensor(list(pool.map(work, range(2))), dtype=torch.float64).mean(0)

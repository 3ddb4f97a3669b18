"""Two updates that share every minibatch, as two learners do, in two threads of one process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from team_updates import losses_of


def work_in_halves(updates, rows, steps):
    """Have each of two equal updates work on its half of the rows, gradients averaged over both.

    Args:
        updates: two, with the same weights.
        rows: columns of an even number of rows.
        steps: how many, all with the same rows.

    Returns:
        Losses (steps, 2) of critics and actors, the mean of both halves'.
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
        return torch.stack([losses_of(updates[i].step(mine, reduce=average)) for _ in range(steps)])

    with ThreadPoolExecutor(2) as pool:
        return torch.stack(list(pool.map(work, range(2)))).mean(0)

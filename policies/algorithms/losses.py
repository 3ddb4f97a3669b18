"""Targets and losses of deterministic policy gradients as pure functions.

Shapes: B rows of a minibatch, m agents, n critics (1 shared, or m), A the joint action.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def td_target(reward: Tensor, gamma: float, terminated: Tensor, next_value: Tensor) -> Tensor:
    """y = r + gamma (1 - terminated) Q'(s', a').

    Only termination ends the return; a row truncated by a time limit is bootstrapped.

    Args:
        reward: (n, B).
        gamma: discount factor.
        terminated: (B,), 1 where the trajectory ended in this step.
        next_value: (n, B).

    Returns:
        (n, B).
    """
    return reward + gamma * (1.0 - terminated) * next_value


def critic_loss(value: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over the minibatch, summed over the critics: (n, B), (n, B) -> ()."""
    return (value - target).square().mean(1).sum()


def actor_actions(policy: Tensor, replayed: Tensor, own: Tensor, *, joint: bool, n: int) -> Tensor:
    """The joint actions at which the critics judge the actors.

    Args:
        policy: (B, A), what the current actors do.
        replayed: (B, A), what the minibatch holds.
        own: (m, 1, A) bool, the columns of each agent.
        joint: True: every agent acts as its current actor does; False: as the paper, each
            agent's own action is replaced in turn and the others' are the replayed ones.
        n: number of critics.

    Returns:
        (1, B, A) where one joint value serves all agents, else (m, B, A); gradients of entry i
        reach agent i alone.
    """
    if joint and n == 1:
        return policy[None]
    others = policy.detach() if joint else replayed
    return policy.where(own, others)


def actor_loss(value: Tensor) -> Tensor:
    """Minus the mean value, summed over the entries of `actor_actions`: (E, B) -> ()."""
    return -value.mean(1).sum()


def own_columns(action_dims: Sequence[int]) -> Tensor:
    """The columns of the joint action that belong to each agent: (m, 1, A) bool."""
    m = len(action_dims)
    owner = torch.repeat_interleave(torch.arange(m), torch.tensor(action_dims))
    return (owner == torch.arange(m)[:, None])[:, None, :]

"""The affine part of actors, where a quadratic critic puts it: what descent then begins from.

With Q(s, a) a concave quadratic and a_i = base_i + W_i x_i, x_i what agent i sees and a one, the
mean of Q over rows is a concave quadratic of all W_i together, and its maximum the best team of
affine controllers (Radner, "Team decision problems", 1962). Conjugate gradients find it, with the
Hessian preconditioned by G_i (x) K_i: the mean of x_i x_i', and agent i's own curvature.

Shapes: N rows, m agents, F inputs (padded) and a one, C controls (padded), A joint actions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from policies.networks.actors import TeamActor

ITERATIONS = 200
ACCURACY = 1e-5  # of the gradient's norm, relative to what it was
RIDGE = 1e-9  # relative, against directions that no row has


@torch.no_grad()
def affine_start(actor: TeamActor, inputs: Tensor, slope: Tensor, bend: Tensor) -> int:
    """Set the affine part of all actors to the team's best.

    Args:
        actor: with an affine part; what it does beside that is the base.
        inputs: (N, width) joint inputs.
        slope: (N, A) gradient of Q with respect to the actions, at the base.
        bend: (A, A) its Hessian.

    Returns:
        The number of iterations; the actors stay as they are if it is 0.
    """
    x = actor.features(inputs).double()  # (m, N, F + 1)
    count, bend = len(inputs), bend.double()
    gram = x.transpose(1, 2) @ x / count
    own = -actor.own_blocks(bend)  # (m, C, C)
    gram_inverse, own_inverse = (_inverse(part) for part in (gram, own))

    def gathered(gradient: Tensor) -> Tensor:
        return x.transpose(1, 2) @ actor.apart(gradient) / count

    def curved(w: Tensor) -> Tensor:
        return -gathered(actor.joined(x @ w) @ bend)

    def conditioned(r: Tensor) -> Tensor:
        return gram_inverse @ r @ own_inverse

    residual = gathered(slope.double())
    w = torch.zeros_like(residual)
    ahead = conditioned(residual)
    direction, norm = ahead.clone(), (residual * ahead).sum()
    aim = ACCURACY**2 * norm
    done = 0
    while done < ITERATIONS and norm > aim:
        image = curved(direction)
        curvature = (direction * image).sum()
        if not curvature > 0.0:  # the fit is not concave that way
            break
        done += 1
        step = norm / curvature
        w += step * direction
        residual -= step * image
        ahead = conditioned(residual)
        norm, before = (residual * ahead).sum(), norm
        direction = ahead + norm / before * direction
    if done:
        actor.add_affine(w)
    return done


def _inverse(blocks: Tensor) -> Tensor:
    """Inverses of symmetric blocks, with a ridge in place of what is not positive."""
    size = blocks.diagonal(dim1=1, dim2=2).abs().amax(1).clamp(min=1e-300)
    values, axes = torch.linalg.eigh(blocks)
    values = values.clamp(min=0.0) + RIDGE * size[:, None]
    inverse: Tensor = (axes / values[:, None, :]) @ axes.transpose(1, 2)
    return inverse

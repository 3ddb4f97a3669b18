"""Least squares of a quadratic on rows, by conjugate gradients that never see its features.

A quadratic in D variables has about D^2 / 2 unknowns, and its feature matrix for N rows N D^2 / 2
entries. None is ever made: with w = (z - m, 1) whitened, and a symmetric X that holds quadratic,
linear and constant part in one,

    A X = rowsum((W X) * W),        A' r = W' diag(r) W,

are products with the rows alone. CGLS (Hestenes and Stiefel 1952; Bjorck, "Numerical methods for
least squares problems", 1996, section 7.4) needs nothing else. Whitened rows make A'A nearly a
multiple of the identity, so that few iterations do. They are the regularisation too: an iterate is
kept only as long as it lowers the error on held-out rows (Hanke, "Conjugate gradient type methods
for ill-posed problems", 1995), which serves noise, and fewer rows than unknowns.

Products are in the precision of the rows. What they leave is worked out again in double precision
and fitted in its turn, until that wins nothing more.

Shapes: N rows, D variables, R directions in which they vary, n right-hand sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from policies.networks.fitted_critics import CHUNK, Quadratic

EMPTY = 1e-5  # standard deviation, relative to the largest, of directions that hold rounding alone
FLOOR = 1e-3  # the same, below which a direction is no longer brought up to the others in full
HELD_OUT = 20  # one row in so many is held out
ITERATIONS = 1_000  # of one pass at most
PASSES = 4  # at most
GOOD = 2e-6  # error, relative to the spread, below which nothing is left to win
WORTH = 0.25  # factor on the mean square error that a further pass must win
PROGRESS = 0.99  # factor on the held-out error that counts as progress
PATIENCE = 0.2  # iterations without any, as a share of those before, that end a pass
LEAST_PATIENCE = 15  # the same, as a number
_TINY = 1e-300


@dataclass(frozen=True)
class Fit:
    """A quadratic, and how well it does.

    Attributes:
        quadratic: In double precision.
        error: (n,) root mean square on held-out rows, relative to their standard deviation.
        iterations: In all passes.
        directions: R.
    """

    quadratic: Quadratic
    error: Tensor
    iterations: int
    directions: int


def held_out(count: int, device: torch.device | None = None) -> Tensor:
    """Which of so many rows only say when to stop: (count,) bool; of few rows a greater part."""
    every = min(HELD_OUT, max(2, count // 4))
    return torch.arange(count, device=device) % every == every - 1


class Directions:
    """The map that whitens rows along the directions in which they vary.

    Args:
        z: (N, D).
        weight: (N,), its sum 1.
    """

    def __init__(self, z: Tensor, weight: Tensor) -> None:
        self.mean = torch.mv(z.t().double(), weight.double())
        covariance = z.new_zeros(z.shape[1], z.shape[1], dtype=torch.float64)
        for part, share in zip(
            torch.split(z, CHUNK), torch.split(weight.double(), CHUNK), strict=True
        ):
            rows = part.double() - self.mean
            covariance.addmm_((rows * share[:, None]).t(), rows)
        std = covariance.diagonal().sqrt()
        scale = torch.where(std > EMPTY * std.max(), 1.0 / std.clamp(min=_TINY), 0.0)
        variance, axes = torch.linalg.eigh(covariance * scale * scale[:, None])
        kept = variance > EMPTY**2 * variance.max()
        axes, gain = axes[:, kept], (variance[kept] + FLOOR**2).rsqrt()
        self._there = scale[:, None] * axes * gain  # (D, R)
        self._back = (axes / gain).t() * std  # (R, D): what was whitened, as it was

    @property
    def count(self) -> int:
        """R."""
        return int(self._there.shape[1])

    def whitened(self, z: Tensor) -> Tensor:
        """(N, D) -> (N, R + 1): the last column is one."""
        parts = [(part.double() - self.mean) @ self._there for part in torch.split(z, CHUNK)]
        return F.pad(torch.cat([part.to(z.dtype) for part in parts]), (0, 1), value=1.0)

    def quadratic(self, x: Tensor, constant: Tensor) -> Quadratic:
        """What X (n, R + 1, R + 1) is in the variables themselves; its corner is not read."""
        there = self._there
        linear = 2.0 * x[:, :-1, -1] @ there.t()
        return Quadratic(self.mean, constant, linear, there @ x[:, :-1, :-1] @ there.t())

    def linear(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What X (R + 1, O) is in the variables less their mean: (D, O), and constants (O,)."""
        return self._there @ x[:-1], x[-1]

    def unknowns(self, quadratic: Quadratic) -> Tensor:
        """The inverse of `quadratic`, as far as these directions go; the corner is 0."""
        matrix, back = quadratic.matrix.double(), self._back
        moved = self.mean - quadratic.mean.double()
        linear = (quadratic.linear.double() + 2.0 * matrix @ moved) @ back.t()
        x = matrix.new_zeros(len(matrix), self.count + 1, self.count + 1)
        x[:, :-1, :-1] = back @ matrix @ back.t()
        x[:, :-1, -1] = x[:, -1, :-1] = 0.5 * linear
        return x


class Rows:
    """Rows of a fit, and the operator A with its transpose.

    Args:
        z: (N, D).
        y: (n, N).
        weight: (N,) >= 0.
    """

    def __init__(self, z: Tensor, y: Tensor, weight: Tensor) -> None:
        self.z, self.y = z, y.double()
        self.weight = weight / weight.sum()
        self.w = z.new_empty(0, 0)

    def whiten(self, directions: Directions) -> None:
        """Make W (N, R + 1)."""
        self.w = directions.whitened(self.z)

    def values(self, x: Tensor) -> Tensor:
        """A X: (n, R + 1, R + 1) -> (n, N)."""
        return torch.cat([((part @ x) * part).sum(-1) for part in torch.split(self.w, CHUNK)], 1)

    def adjoint(self, r: Tensor) -> Tensor:
        """A' r of weighted rows: (n, N) -> (n, R + 1, R + 1)."""
        found = self.w.new_zeros(len(r), self.w.shape[1], self.w.shape[1])
        for part, shares in zip(
            torch.split(self.w, CHUNK), torch.split(r * self.weight, CHUNK, 1), strict=True
        ):
            for one, share in zip(found, shares, strict=True):
                one.addmm_(part.t(), part * share[:, None])
        return found

    def mean(self, values: Tensor) -> Tensor:
        """The weighted mean of (n, N): (n, 1)."""
        return (values @ self.weight.to(values.dtype))[:, None]

    def square(self, values: Tensor) -> Tensor:
        """The weighted mean square of (n, N): (n,), in double precision."""
        return (values * values).double() @ self.weight.double()


def cgls(rows: Rows, held: Rows, y: Tensor, y_held: Tensor, enough: Tensor) -> tuple[Tensor, int]:
    """Fit X until rows that are held out win no more by it.

    Args:
        rows, held: whitened, to fit on and held out.
        y: (n, N), its weighted mean 0.
        y_held: (n, N').
        enough: (n,) mean square of what may be left of held-out rows.

    Returns:
        X (n, R + 1, R + 1), and the number of iterations.
    """
    left, left_held = y.clone(), y_held.clone()
    gradient = rows.adjoint(left)
    direction, norm = gradient.clone(), _square(gradient)
    x = torch.zeros_like(gradient)
    size = held.square(y_held).clamp(min=_TINY)
    best, least = x.clone(), 1.0
    mark, marked = 1.0, 0  # the last progress, and when
    iteration = 0
    while iteration < ITERATIONS and bool((norm > 0.0).any()):
        iteration += 1
        change = rows.values(direction)
        mean = rows.mean(change)
        change -= mean
        step = (norm / rows.square(change).clamp(min=_TINY)).to(y.dtype)[:, None]
        x.addcmul_(step[:, :, None], direction)
        left -= step * change
        left_held -= step * (held.values(direction) - mean)
        now = held.square(left_held)
        error = float((now / size).mean())
        if error < least:
            best.copy_(x)
            least = error
            if bool((now < enough).all()):
                break
        if error < PROGRESS**2 * mark:
            mark, marked = error, iteration
        elif iteration - marked > max(LEAST_PATIENCE, PATIENCE * iteration):
            break
        gradient = rows.adjoint(left)
        norm, before = _square(gradient), norm
        slope = (norm / before.clamp(min=_TINY)).to(y.dtype)[:, None, None]
        direction = gradient.addcmul_(slope, direction)
    return best, iteration


def _square(x: Tensor) -> Tensor:
    return x.flatten(1).double().square().sum(1)


def fit_quadratic(
    z: Tensor, y: Tensor, weight: Tensor | None = None, start: Quadratic | None = None
) -> Fit:
    """Fit quadratics to rows.

    Args:
        z: (N, D) float32, N >= 4.
        y: (n, N), what they are to be.
        weight: (N,) >= 0, what rows count; all the same if None.
        start: to begin with; zero if None.

    Returns:
        The fit; every `HELD_OUT`-th row only says when to stop.
    """
    weight = torch.ones_like(z[:, 0]) if weight is None else weight
    aside = held_out(len(z), z.device)
    rows, held = (Rows(z[which], y[:, which], weight[which]) for which in (~aside, aside))
    directions = Directions(rows.z, rows.weight)
    rows.whiten(directions)
    held.whiten(directions)
    width = directions.count + 1
    x = z.new_zeros(len(y), width, width, dtype=torch.float64)
    if start is not None:
        x = directions.unknowns(start)
    found, error, iterations = None, torch.full_like(x[:, 0, 0], torch.inf), 0
    spread = held.square(held.y - held.mean(held.y)).clamp(min=_TINY)
    for turn in range(PASSES + 1):
        quadratic = directions.quadratic(x, torch.zeros_like(error))
        left, left_held = (part.y - quadratic.of_rows(part.z) for part in (rows, held))
        constant = rows.mean(left)
        left, left_held = left - constant, left_held - constant
        now = held.square(left_held)
        worth = bool(now.sum() < WORTH * error.sum())
        if bool(now.sum() < error.sum()):
            found, error = directions.quadratic(x, constant[:, 0]), now
        if not worth or turn == PASSES or bool((now < GOOD**2 * spread).all()):
            break
        size = now.sqrt().clamp(min=_TINY)[:, None]
        left, left_held = ((part / size).to(z.dtype) for part in (left, left_held))
        enough = (GOOD / size[:, 0]).square() * spread / 4
        more, count = cgls(rows, held, left, left_held, enough)
        iterations += count
        x = x + more.double() * size[:, :, None]
    relative = (error / spread).sqrt()
    assert found is not None  # the first turn is better than nothing
    return Fit(found, relative, iterations, directions.count)

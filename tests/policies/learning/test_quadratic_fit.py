"""The fit of a quadratic: exact where rows are enough, stopped where they are not or are noisy."""

from __future__ import annotations

import pytest
import torch

from policies.learning import quadratic_fit
from policies.learning.quadratic_fit import Directions, cgls, fit_quadratic, held_out


def drawn(count, d, n=1, seed=0, noise=0.0, sizes=1.0):
    """Rows of a known quadratic: z, y, and what gives y without noise."""
    rng = torch.Generator().manual_seed(seed)
    root = torch.randn(n, d, d, generator=rng, dtype=torch.float64)
    matrix = -(root @ root.transpose(1, 2)) / d
    linear = torch.randn(n, d, generator=rng, dtype=torch.float64)
    z = (sizes * (torch.rand(count, d, generator=rng) * 2 - 1)).float()

    def truth(z):
        z = z.double()
        return ((z @ matrix) * z).sum(-1) + linear @ z.t() + 3.0

    y = truth(z)
    error = noise * y.std() * torch.randn(n, count, generator=rng, dtype=torch.float64)
    return z, (y + error).float(), truth


def wrong(fit, truth, z):
    """Root mean square on rows, relative to their spread."""
    y = truth(z)
    return float((fit.quadratic.of_rows(z) - y).square().mean().sqrt() / y.std())


@pytest.mark.parametrize("n", [1, 3])
def test_a_known_quadratic_is_recovered_from_just_enough_rows(n):
    d = 12
    unknowns = d * (d + 3) // 2 + 1
    z, y, truth = drawn(round(1.2 * unknowns), d, n)
    fresh = drawn(500, d, seed=1)[0]
    fit = fit_quadratic(z, y)
    assert fit.directions == d
    assert wrong(fit, truth, fresh) < 1e-5
    assert float(fit.error.max()) < 1e-5


def test_fewer_rows_than_unknowns_say_so_and_do_no_harm():
    z, y, truth = drawn(60, 12)
    fit = fit_quadratic(z, y)
    assert 0.1 < float(fit.error) < 1.5
    assert wrong(fit, truth, drawn(500, 12, seed=1)[0]) < 1.5


def test_noise_is_averaged_and_never_learnt_by_heart(monkeypatch):
    d = 20
    z, y, truth = drawn(260, d, noise=0.3)  # 231 unknowns
    fresh = drawn(2_000, d, seed=1)[0]
    stopped = wrong(fit_quadratic(z, y), truth, fresh)
    monkeypatch.setattr(quadratic_fit, "PATIENCE", 100.0)

    def to_the_end(rows, held, y, y_held, enough):
        return cgls(rows, rows, y, y, torch.zeros(len(y)))  # as if what is fitted were the judge

    monkeypatch.setattr(quadratic_fit, "cgls", to_the_end)
    assert stopped < 0.8 * wrong(fit_quadratic(z, y), truth, fresh)
    many = drawn(20_000, d, noise=0.3)
    monkeypatch.undo()
    assert wrong(fit_quadratic(*many[:2]), truth, fresh) < 0.1


def test_variables_a_thousandfold_apart_are_all_found():
    sizes = torch.logspace(-3, 0, 8)
    z, y, truth = drawn(400, 8, sizes=sizes)
    fit, fresh = fit_quadratic(z, y), drawn(400, 8, seed=1, sizes=sizes)[0]
    assert wrong(fit, truth, fresh) < 1e-5
    slope = fit.quadratic.linear[0] * sizes  # of the smallest too, in its own unit
    at = (truth(sizes.diag()) - truth(-sizes.diag()))[0] / 2
    shift = 2 * (fit.quadratic.matrix[0] @ fit.quadratic.mean) * sizes
    torch.testing.assert_close(slope - shift, at, rtol=1e-2, atol=1e-5)


def test_a_direction_that_no_row_has_is_left_out():
    z, _, truth = drawn(400, 6)
    z = torch.cat([z, 0.4 * z[:, :1]], 1)
    y = truth(z[:, :6]).float()
    fit = fit_quadratic(z, y)
    assert fit.directions == 6
    assert float(fit.error) < 1e-5
    nudged = z + torch.tensor([0.0] * 6 + [0.01])
    moved = fit.quadratic.of_rows(nudged) - fit.quadratic.of_rows(z)
    assert float(moved.abs().max()) < 0.1 * float(y.std())


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_rewards_of_any_size(scale):
    z, y, _ = drawn(200, 6)
    assert float(fit_quadratic(z, y * scale).error) < 1e-5


def test_it_goes_on_from_an_earlier_fit():
    z, y, truth = drawn(400, 10)
    first = fit_quadratic(z[:200], y[:, :200])
    again = fit_quadratic(z, y, start=first.quadratic)
    assert again.iterations < fit_quadratic(z, y).iterations
    assert wrong(again, truth, z) < 1e-5


def test_rows_count_by_their_weight():
    z, y, _ = drawn(1_000, 4)
    other = torch.where(torch.arange(1_000) < 500, y + 7.0, y)
    fit = fit_quadratic(z, other, (torch.arange(1_000) >= 500).float())
    torch.testing.assert_close(
        fit.quadratic.of_rows(z[500:]).float(), y[:, 500:], rtol=1e-4, atol=1e-4
    )


def test_the_same_rows_give_the_same_bits():
    z, y, _ = drawn(300, 8, noise=0.1)
    first, second = fit_quadratic(z, y), fit_quadratic(z.clone(), y.clone())
    assert first.quadratic.matrix.equal(second.quadratic.matrix)


def test_whitened_rows_are_white():
    z = drawn(2_000, 5)[0] @ torch.diag(torch.logspace(-2, 1, 5))
    weight = torch.full((2_000,), 1 / 2_000)
    w = Directions(z, weight).whitened(z)
    torch.testing.assert_close(w.t() @ w / 2_000, torch.eye(6), rtol=0.0, atol=1e-3)
    assert int(held_out(2_000).sum()) == 100

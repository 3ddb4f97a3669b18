"""The whitening map on samples whose covariance is known."""

from __future__ import annotations

import torch

from policies.networks.whitening import whitening


def test_samples_of_each_member_are_whitened():
    torch.manual_seed(0)
    x = torch.randn(2, 500, 3, dtype=torch.float64) @ torch.randn(2, 3, 3, dtype=torch.float64)
    x = x + torch.tensor([5.0, -2.0, 0.5])
    matrix, shift = whitening(x, 1e-6)
    mapped = x @ matrix + shift
    torch.testing.assert_close(mapped.mean(1), torch.zeros(2, 3, dtype=torch.float64))
    for member in mapped:
        covariance = torch.cov(member.t())
        torch.testing.assert_close(covariance, torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)


def test_columns_that_do_not_vary_are_left_out():
    x = torch.randn(1, 100, 2, dtype=torch.float64)
    x[..., 1] = 7.0
    matrix, shift = whitening(x, 0.1)
    assert matrix[0, 1].abs().max() == 0.0
    assert torch.isfinite(matrix).all() and torch.isfinite(shift).all()


def test_gains_are_bound_by_the_floor():
    """Two columns that are one but for 1 %: the axis of their difference has variance ~ 1e-4."""
    torch.manual_seed(0)
    load = torch.randn(4000, dtype=torch.float64)
    x = torch.stack([load, load + 0.01 * torch.randn(4000, dtype=torch.float64)], 1)[None]
    spread = [
        (x @ matrix + shift).std(1).min()
        for matrix, shift in (whitening(x, floor) for floor in (1e-6, 0.1))
    ]
    assert spread[0] > 0.99 and spread[1] < 0.2


def test_a_single_sample_tells_of_no_variance():
    x = torch.tensor([[[3.0, -1.0]], [[0.5, 2.0]]], dtype=torch.float64)
    matrix, shift = whitening(x, 1e-3)
    torch.testing.assert_close(torch.baddbmm(shift, x, matrix), x)


def test_a_direction_that_never_varied_says_nothing():
    """q = 0.4 p in all samples: however a reading leaves that line, nothing comes of it."""
    p = torch.rand(1, 300, 1, dtype=torch.float64)
    x = torch.cat([p, 0.4 * p.float().double()], 2)
    matrix, _ = whitening(x.float().double(), 1e-3)
    off = torch.tensor([[0.0, 0.01]], dtype=torch.float64)
    assert float((off @ matrix[0]).abs().max()) < 0.1  # of the spread of p; 1e-3^-1 without

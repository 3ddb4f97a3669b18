"""Exact costs, observations and gradients against the case's own functions."""

from __future__ import annotations

import numpy as np
import torch

from rllib_grid import GaussianDemand, make_case
from tuning.judging.information_limits.exact_model import ExactModel


def exact(case, state, action):
    """Cost with penalty by the case's own double-precision functions."""
    powers = carried_out(case, state, action)
    return case.cost_kw(*powers) + case.penalty_kw(case.v_pu(*powers)).sum(1)


def carried_out(case, state, action):
    controls = case.within_ratings(*case.layout.to_controls(action))
    return (*case.layout.from_state(state), *controls)


def every_case(costly):
    binding = make_case("ieee13", v_head_pu=1.05, demand=GaussianDemand(sigma_kw=200.0))
    inverter = make_case("ieee13-inverter", s_max_kva=np.linspace(60.0, 140.0, 12))
    return costly, make_case("ieee13-volt"), make_case("ieee13-twelve"), binding, inverter


def test_cost_and_observation_are_those_of_the_case(costly, drawn):
    violating = 0
    for case in every_case(costly):
        state, action = drawn(case, 500)
        model = ExactModel(case)
        powers = carried_out(case, state, action)
        found = model.cost_kw(torch.from_numpy(state), torch.from_numpy(action)).numpy()
        np.testing.assert_allclose(found, exact(case, state, action), rtol=1e-5, atol=1e-5)
        obs = model.obs(torch.from_numpy(state), torch.from_numpy(action)).numpy()
        np.testing.assert_allclose(obs, case.layout.to_obs(case.v_pu(*powers)), atol=2e-6)
        violating += int((case.penalty_kw(case.v_pu(*powers)) > 0).any(axis=1).sum())
    assert violating > 100  # so the penalty was in it


def test_gradient_is_that_of_finite_differences(costly, drawn):
    for case in (costly, make_case("ieee13-volt")):
        state, action = drawn(case, 40)
        model = ExactModel(case, torch.float64)
        at = torch.from_numpy(action).double().requires_grad_()
        model.cost_kw(torch.from_numpy(state).double(), at).sum().backward()
        step = 1e-6
        for column in range(action.shape[1]):
            shift = step * np.eye(action.shape[1])[column]
            base = action.astype(np.float64)
            slope = (exact(case, state, base + shift) - exact(case, state, base - shift)) / 2 / step
            np.testing.assert_allclose(at.grad[:, column].numpy(), slope, rtol=1e-5, atol=1e-4)


def test_a_collapsed_feeder_has_a_cost_and_a_gradient(small):
    model = ExactModel(small)
    state = torch.full((1, 6), 1e3)
    action = torch.zeros(1, 6, requires_grad=True)
    model.cost_kw(state, action).sum().backward()
    assert torch.isfinite(action.grad).all()
    np.testing.assert_allclose(model.obs(state, action).detach(), -1.0 / small.obs_scale_pu, 1e-4)

"""What is measured in closed form: linear, with one bend each where that helps."""

from __future__ import annotations

import torch

from policies.contract.joint_spec import JointSpec
from policies.learning.observation_fit import fit_observations
from policies.networks.fitted_observations import FittedObservations

SPEC = JointSpec(("a", "b"), (1, 2), (1, 2), (2, 1))


def fitted(obs_of, count=500):
    rng = torch.Generator().manual_seed(0)
    z = torch.rand(2 * count, 6, generator=rng) * 2 - 1
    model = FittedObservations(SPEC)
    model.take(**fit_observations(z[:count], obs_of(z[:count]), torch.ones(count)))
    fresh = z[count:]
    return model, model(fresh[:, :3], fresh[None, :, 3:])[0] - obs_of(fresh)


def slopes(z):
    return z @ torch.randn(6, 3, generator=torch.Generator().manual_seed(1)) * 0.05 + 0.1


def test_what_is_linear_is_found_without_a_bend():
    model, error = fitted(slopes)
    assert float(error.abs().max()) < 1e-5
    assert not model.bend.any()


def test_a_voltage_is_found_from_its_square():
    """v = sqrt(1 + 2 u) with u linear, as under LinDistFlow with the head at 1 p.u."""
    model, error = fitted(lambda z: (1 + 2 * slopes(z)).sqrt() - 1)
    assert float(error.abs().max()) < 1e-5
    torch.testing.assert_close(model.bend, torch.full((3,), 0.5), rtol=1e-3, atol=0.0)


def test_errors_of_meters_average_out():
    noise = torch.Generator().manual_seed(3)
    model, _ = fitted(lambda z: slopes(z) + 0.01 * torch.randn(len(z), 3, generator=noise), 5_000)
    z = torch.rand(100, 6, generator=noise) * 2 - 1
    assert float((model(z[:, :3], z[None, :, 3:])[0] - slopes(z)).abs().max()) < 3e-3

"""Circular limits of actions, on arrays and as a layer."""

from __future__ import annotations

import numpy as np
import torch

from policies.contract.action_circles import scale_back
from policies.contract.joint_spec import JointSpec
from policies.networks.action_limits import ActionCircles

CIRCLES = ((0, 2, 1.0, 1.0), (3, 1, 2.0, 0.5))
SPEC = JointSpec(("a", "b"), (1, 1), (2, 2), (1, 1), action_circles=CIRCLES)


def loads(action: np.ndarray) -> np.ndarray:
    return np.stack([np.hypot(u * action[..., i], w * action[..., j]) for i, j, u, w in CIRCLES])


def test_scaled_back_to_the_circle_along_the_ray() -> None:
    action = np.random.default_rng(0).uniform(-1, 1, (500, 4))
    scaled = scale_back(action, np.array(CIRCLES))
    assert loads(scaled).max() <= 1 + 1e-12
    beyond = loads(action) > 1
    assert 0.1 < beyond.mean() < 0.9
    assert np.allclose(loads(scaled)[beyond], 1.0)
    assert np.allclose(scaled[:, 0] * action[:, 2], scaled[:, 2] * action[:, 0])
    inside = ~beyond.any(axis=0)
    assert (scaled[inside] == action[inside]).all()


def test_one_action_alone() -> None:
    assert np.allclose(
        scale_back(np.array([3.0, 0.1, 4.0, 0.1]), np.array(CIRCLES))[[0, 2]], [0.6, 0.8]
    )


def test_layer_computes_the_same() -> None:
    action = np.random.default_rng(1).uniform(-1, 1, (50, 4)).astype(np.float32)
    layered = ActionCircles(CIRCLES)(torch.from_numpy(action)).numpy()
    assert np.allclose(layered, scale_back(action, np.array(CIRCLES)), atol=1e-6)


def test_layer_stops_only_what_leads_outside() -> None:
    layer = ActionCircles(CIRCLES)
    action = torch.tensor([[0.9, 0.0, 0.9, 0.0], [0.3, 0.0, 0.3, 0.0]], requires_grad=True)
    layer(action).sum().neg().backward()  # descent raises both: outward
    assert torch.allclose(action.grad[0, [0, 2]], torch.zeros(2), atol=1e-6)
    assert torch.equal(action.grad[1, [0, 2]], -torch.ones(2))
    action.grad = None
    layer(action).sum().backward()  # descent lowers both: inward
    assert torch.equal(action.grad[0, [0, 2]], torch.ones(2))
    action.grad = None
    out = layer(action)
    (out[:, 0] - out[:, 2]).sum().backward()  # along the circle
    assert torch.allclose(action.grad[0, [0, 2]], torch.tensor([1.0, -1.0]))


def test_without_circles_nothing_happens() -> None:
    action = torch.tensor([[1.0, 1.0]])
    assert ActionCircles(())(action) is action
    array = action.numpy()
    assert scale_back(array, np.zeros((0, 4))) is array


def test_descent_finds_the_point_of_the_circle_nearest_to_a_target() -> None:
    target = torch.tensor([0.9, 0.0, 0.6, 0.0])
    point = torch.tensor([[-0.8, 0.0, 0.9, 0.0]], requires_grad=True)
    descent = torch.optim.SGD([point], lr=0.05)
    for _ in range(300):
        descent.zero_grad()
        (ActionCircles(CIRCLES)(point) - target).square().sum().backward()
        descent.step()
    found = ActionCircles(CIRCLES)(point)[0].detach()
    assert torch.allclose(found[[0, 2]], target[[0, 2]] / target.norm(), atol=1e-3)


def test_circles_travel_with_the_spec() -> None:
    assert JointSpec.from_dict(SPEC.to_dict()) == SPEC

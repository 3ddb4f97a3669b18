"""The last layers of actors: what they let through forwards and backwards."""

from __future__ import annotations

import numpy as np
import torch

from policies.contract.action_circles import scale_back
from policies.networks.action_limits import ActionCircles, ProjectedClip

CIRCLES = ((0, 2, 1.0, 1.0), (3, 1, 2.0, 0.5))


def test_clip_stops_only_gradients_that_point_outward():
    x = torch.tensor([-2.0, -2.0, -0.5, 0.5, 2.0, 2.0], requires_grad=True)
    grad = torch.tensor([-1.0, 1.0, 3.0, -3.0, -1.0, 1.0])
    y = ProjectedClip.apply(x)
    np.testing.assert_array_equal(y.detach(), [-1.0, -1.0, -0.5, 0.5, 1.0, 1.0])
    y.backward(grad)
    # Descent goes against the gradient: at x = -2 a positive one leads further down.
    np.testing.assert_array_equal(x.grad, [-1.0, 0.0, 3.0, -3.0, 0.0, 1.0])


def test_layer_computes_the_same():
    action = np.random.default_rng(1).uniform(-1, 1, (50, 4)).astype(np.float32)
    layered = ActionCircles(CIRCLES)(torch.from_numpy(action)).numpy()
    assert np.allclose(layered, scale_back(action, np.array(CIRCLES)), atol=1e-6)


def test_layer_stops_only_what_leads_outside():
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


def test_descent_finds_the_point_of_the_circle_nearest_to_a_target():
    target = torch.tensor([0.9, 0.0, 0.6, 0.0])
    point = torch.tensor([[-0.8, 0.0, 0.9, 0.0]], requires_grad=True)
    descent = torch.optim.SGD([point], lr=0.05)
    for _ in range(300):
        descent.zero_grad()
        (ActionCircles(CIRCLES)(point) - target).square().sum().backward()
        descent.step()
    found = ActionCircles(CIRCLES)(point)[0].detach()
    assert torch.allclose(found[[0, 2]], target[[0, 2]] / target.norm(), atol=1e-3)


def test_without_circles_nothing_happens():
    action = torch.tensor([[1.0, 1.0]])
    assert ActionCircles(())(action) is action

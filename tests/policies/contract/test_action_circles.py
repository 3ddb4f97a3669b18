"""Circular limits of actions, on arrays."""

from __future__ import annotations

import numpy as np

from policies.contract.action_circles import scale_back
from policies.contract.joint_spec import JointSpec

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


def test_without_circles_nothing_happens() -> None:
    array = np.ones((1, 2), np.float32)
    assert scale_back(array, np.zeros((0, 4))) is array


def test_circles_travel_with_the_spec() -> None:
    assert JointSpec.from_dict(SPEC.to_dict()) == SPEC

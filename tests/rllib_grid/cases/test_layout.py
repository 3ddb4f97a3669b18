"""Order and scale of the joint arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rllib_grid import Case, GridError

TAN = np.sqrt(1 - 0.9**2) / 0.9


def test_order_agent_by_agent(fork_case: Case) -> None:
    layout = fork_case.layout  # agents {1, 3} and {2}
    assert layout.state_slices == {"agent_0": slice(0, 4), "agent_1": slice(4, 6)}
    assert layout.action_slices == layout.state_slices
    assert layout.obs_slices == {"agent_0": slice(0, 2), "agent_1": slice(2, 3)}
    p, q = np.array([[1.0, 2.0, 3.0]]), np.array([[-1.0, -2.0, -3.0]])
    state = layout.to_state(p, q) * [5, 5, 5 * TAN, 5 * TAN, 5, 5 * TAN]
    assert state == pytest.approx(np.array([[1, 3, -1, -3, 2, -2]]), rel=1e-6)
    action = layout.from_controls(p, q) * [10, 30, 1, 3, 20, 2]
    assert action == pytest.approx(np.array([[1, 3, -1, -3, 2, -2]]), rel=1e-6)
    obs = layout.to_obs(np.array([[1.01, 1.02, 0.98]]))  # head at 1.01, band of +-0.05
    assert obs == pytest.approx(np.array([[0.0, -0.6, 0.2]]), abs=1e-6)


def test_round_trips(ieee13: Case) -> None:
    layout = ieee13.layout
    p, q = np.random.default_rng(0).uniform(-100, 100, (2, 7, 12))
    for there, back in (
        (layout.to_state, layout.from_state),
        (layout.from_controls, layout.to_controls),
    ):
        joint = there(p, q)
        assert joint.dtype == np.float32
        p_again, q_again = back(joint)
        assert p_again.dtype == np.float64
        assert p_again == pytest.approx(p, rel=1e-6)
        assert q_again == pytest.approx(q, rel=1e-6)
    v = 1 + p / 1000
    assert layout.from_obs(layout.to_obs(v)) == pytest.approx(v, abs=1e-8)


def test_signature_says_how_to_read_every_number(fork_case: Case) -> None:
    layout = fork_case.layout
    p, q = np.array([[1.0, 2.0, 3.0]]), np.array([[-1.0, -2.0, -3.0]])
    physical = {f"p_base_kw[{bus}]": p[0, bus - 1] for bus in (1, 2, 3)}
    physical |= {f"q_base_kvar[{bus}]": q[0, bus - 1] for bus in (1, 2, 3)}
    physical |= {f"p_ctrl_kw[{bus}]": p[0, bus - 1] for bus in (1, 2, 3)}
    physical |= {f"q_ctrl_kvar[{bus}]": q[0, bus - 1] for bus in (1, 2, 3)}
    physical |= {f"v_pu[{bus}]": 1 + bus / 100 for bus in (1, 2, 3)}
    scaled = {
        "state": (layout.to_state(p, q)[0], layout.state_slices),
        "action": (layout.from_controls(p, q)[0], layout.action_slices),
        "observation": (layout.to_obs(np.array([[1.01, 1.02, 1.03]]))[0], layout.obs_slices),
    }
    seen = []
    for agent in layout.agents:
        signature = json.loads(json.dumps(layout.signature(agent)))
        for part, (values, slices) in scaled.items():
            for entry, value in zip(signature[part], values[slices[agent]], strict=True):
                expected = pytest.approx(physical[entry["name"]], rel=1e-6)
                assert entry["offset"] + entry["scale"] * value == expected
                seen.append(entry["name"])
    assert sorted(seen) == sorted(physical)


def test_signature_of_a_preset(ieee13: Case) -> None:
    signature = ieee13.layout.signature("agent_1")
    assert signature["buses"] == [2, 4, 6, 8, 10, 12]
    assert signature["state"][0] == {"name": "p_base_kw[2]", "offset": 0.0, "scale": 210.0}
    assert signature["observation"][1] == {
        "name": "v_pu[4]",
        "offset": 1.0,
        "scale": pytest.approx(0.05),
    }
    assert signature["action"][11] == {
        "name": "q_ctrl_kvar[12]",
        "offset": 0.0,
        "scale": 105.0,
        "low": -105.0,
        "high": 105.0,
    }


def test_wrong_shapes(ieee13: Case) -> None:
    layout = ieee13.layout
    with pytest.raises(GridError, match=r"action has shape \(3, 23\), must be \(B, 24\)"):
        layout.to_controls(np.zeros((3, 23)))
    with pytest.raises(GridError, match=r"v_pu has shape \(12,\), must be \(B, 12\)"):
        layout.to_obs(np.ones(12))
    with pytest.raises(GridError, match="unknown agent 'agent_2'; choose from agent_0, agent_1"):
        layout.signature("agent_2")

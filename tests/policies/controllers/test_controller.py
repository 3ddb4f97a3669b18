"""Exported controllers: the same numbers as the torch actors, and files that are refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from policies.contract.joint_spec import JointSpec
from policies.controllers.controller import (
    Controller,
    ControllerError,
    load_controller,
    load_controllers,
    save_controllers,
)
from policies.networks.team import ACTORS, TeamActor

SPEC = JointSpec(("agent_0", "agent_1", "agent_10"), (2, 1, 3), (1, 2, 1), (1, 3, 2))
ROOT = Path(__file__).resolve().parents[3]


def actors(kind, stages=2):
    """Actors with every parameter and map drawn at random; some of their actions saturate."""
    torch.manual_seed(0)
    made = []
    for stage in range(1, stages + 1):
        actor = TeamActor(SPEC, stage, kind=kind, width=8)
        width = SPEC.state_dim + (stage > 1) * (SPEC.action_dim + SPEC.obs_dim)
        actor.fit_inputs(torch.randn(200, width) * torch.rand(width) + 0.5, 1e-3)
        with torch.no_grad():
            for parameter in actor.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape))
        made.append(actor)
    return made


def signature(agent, physical):
    """Each entry with an offset and a scale of its own where `physical`, else scaled units."""
    made = SPEC.plain_signature(agent)
    for part, entries in made.items():
        for k, entry in enumerate(entries):
            if physical:
                entry.update(offset=3.0 * k - len(part), scale=2.0 + k)
            if part == "action":
                low, high = (entry["offset"] + side * entry["scale"] for side in (-1, 1))
                entry.update(low=low, high=high)
    return made


def controllers(kind="plain", physical=False, stages=2):
    team = actors(kind, stages)
    return {
        agent: Controller(
            agent,
            signature(agent, physical),
            [kind] * stages,
            [actor.agent_layers(i) for actor in team],
        )
        for i, agent in enumerate(SPEC.agents)
    }


def inputs(rows=40):
    generator = torch.Generator().manual_seed(3)
    width = SPEC.state_dim + SPEC.action_dim + SPEC.obs_dim
    return 2 * torch.rand(rows, width, generator=generator) - 1


def own_inputs(agent, x):
    """One agent's state, prototype and observation out of joint inputs."""
    i = SPEC.agents.index(agent)
    columns = x.numpy()[:, SPEC.actor_inputs(2)[i]].astype(float)
    s, a = SPEC.state_dims[i], SPEC.action_dims[i]
    return columns[:, :s], columns[:, s : s + a], columns[:, s + a :]


def physical_units(controller, part, scaled):
    entries = controller.signature[part]
    offset, scale = (np.array([entry[key] for entry in entries]) for key in ("offset", "scale"))
    return offset + scale * scaled


def joint_actions(made, x, stage):
    """All agents' scaled actions from their own scaled inputs, through physical units."""
    actions = []
    for agent, controller in made.items():
        state, prototype, observation = own_inputs(agent, x)
        seen = [physical_units(controller, "state", state)]
        if stage > 1:
            seen.append(physical_units(controller, "action", prototype))
            seen.append(physical_units(controller, "observation", observation))
        action = controller.act(*seen, stage=stage)
        offset = physical_units(controller, "action", 0.0)
        actions.append((action - offset) / (physical_units(controller, "action", 1.0) - offset))
    return np.concatenate(actions, axis=1)


@pytest.mark.parametrize("physical", [False, True])
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("kind", ACTORS)
def test_equal_to_the_torch_actors(kind, stage, physical):
    made, x = controllers(kind, physical), inputs()
    actor = actors(kind)[stage - 1]
    with torch.no_grad():
        expected = actor(x if stage > 1 else x[:, : SPEC.state_dim]).numpy()
    found = joint_actions(made, x, stage)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.std(0).min() > 0.01


def test_actions_keep_their_limits():
    controller = controllers(physical=True)["agent_10"]
    (entry,) = controller.signature["action"]
    state = np.random.default_rng(0).uniform(-1e3, 1e3, (200, 3))
    action = controller.act(state)
    assert action.shape == (200, 1) and action.dtype == np.float64
    assert (action.min(), action.max()) == (entry["low"], entry["high"])
    entry["high"] = entry["offset"]  # a limit of its own, inside the scale
    tight = Controller("agent_10", controller.signature, controller.kinds, controller.weights)
    np.testing.assert_array_equal(tight.act(state), np.minimum(action, entry["offset"]))


def test_one_state_or_many():
    controller = controllers()["agent_1"]
    state, prototype, observation = own_inputs("agent_1", inputs())
    many = controller.act(state, prototype, observation)
    one = controller.act(state[4], prototype[4], observation[4])
    assert many.shape == (40, 2) and one.shape == (2,)
    np.testing.assert_allclose(one, many[4], atol=1e-6)


def test_default_stage():
    controller = controllers(stages=3)["agent_1"]
    seen = own_inputs("agent_1", inputs())
    same = np.testing.assert_array_equal
    same(controller.act(seen[0]), controller.act(seen[0], stage=1))
    same(controller.act(*seen), controller.act(*seen, stage=3))
    assert not np.allclose(controller.act(*seen), controller.act(*seen, stage=2))


STATE, PROTOTYPE, SEEN = [0.1], [0.2, 0.3], [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("given", "stage", "message"),
    [
        ((STATE,), 0, "agent_1: stage 0 is not in 1..2"),
        ((STATE,), 3, "agent_1: stage 3 is not in 1..2"),
        ((STATE,), 2, "agent_1: stage 2 takes state, prototype and observation"),
        ((STATE, PROTOTYPE), None, "agent_1: stage 2 takes state, prototype and observation"),
        ((STATE, PROTOTYPE, SEEN), 1, "agent_1: stage 1 takes the state alone"),
        (([0.1, 0.2],), None, r"state has shape \(2,\), must be \(1,\) or \(B, 1\): state\[0\]"),
        ((0.1,), None, r"state has shape \(\), must be"),
        (([[STATE]],), None, r"state has shape \(1, 1, 1\), must be"),
        ((STATE, [0.1], SEEN), None, r"action has shape \(1,\), must be \(2,\)"),
        ((STATE, PROTOTYPE, STATE), None, r"observation has shape \(1,\), must be \(3,\)"),
        (([STATE] * 2, PROTOTYPE, [SEEN] * 2), None, "batch shapes .* must be equal"),
        (([STATE] * 2, [PROTOTYPE] * 3, [SEEN] * 2), None, "batch shapes .* must be equal"),
        (([np.nan],), None, "agent_1: state has values that are not finite"),
        ((STATE, PROTOTYPE, [0.1, np.inf, 0.3]), None, "observation has values that are not"),
    ],
)
def test_wrong_inputs_are_refused_in_one_line(given, stage, message):
    with pytest.raises(ControllerError, match=message) as error:
        controllers()["agent_1"].act(*given, stage=stage)
    assert "\n" not in str(error.value)


# --- files ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ACTORS)
def test_files_round_trip(kind, tmp_path):
    made = controllers(kind, physical=True)
    save_controllers(tmp_path / "deep" / "folder", made)
    loaded = load_controllers(tmp_path / "deep" / "folder")
    assert list(loaded) == ["agent_0", "agent_1", "agent_10"]
    x = inputs()
    for stage in (1, 2):
        before, after = (joint_actions(team, x, stage) for team in (made, loaded))
        np.testing.assert_array_equal(before, after)
    for agent, controller in loaded.items():
        assert controller.signature == made[agent].signature
        assert (controller.agent, controller.num_stages) == (agent, 2)


def test_agents_are_loaded_in_the_order_of_their_numbers(tmp_path):
    made = controllers()
    save_controllers(tmp_path, {agent: made[agent] for agent in ("agent_10", "agent_1", "agent_0")})
    (tmp_path / "agent_2.json").write_text((tmp_path / "agent_1.json").read_text())
    for suffix in ("json", "safetensors"):
        text = (tmp_path / f"agent_1.{suffix}").read_bytes().replace(b'"agent_1"', b'"agent_2"')
        (tmp_path / f"agent_2.{suffix}").write_bytes(text)
    assert list(load_controllers(tmp_path)) == ["agent_0", "agent_1", "agent_2", "agent_10"]


def test_saving_again_replaces_the_files(tmp_path):
    save_controllers(tmp_path, controllers("plain"))
    save_controllers(tmp_path, controllers("paper"))
    assert load_controllers(tmp_path)["agent_0"].kinds == ["paper", "paper"]
    names = {f"{agent}.{suffix}" for agent in SPEC.agents for suffix in ("json", "safetensors")}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_files_hold_no_pickle(tmp_path):
    save_controllers(tmp_path, controllers())
    text = json.loads((tmp_path / "agent_0.json").read_text(encoding="utf-8"))
    assert set(text) == {"format", "agent", "signature", "kinds", "rounds", "weights_sha256"}
    data = (tmp_path / "agent_0.safetensors").read_bytes()
    header = int.from_bytes(data[:8], "little")
    arrays = json.loads(data[8 : 8 + header])  # a JSON header, then nothing but float32 numbers
    assert {entry["dtype"] for entry in arrays.values()} == {"F32"}
    sizes = [np.prod(entry["shape"], dtype=int) for entry in arrays.values()]
    assert len(data) == 8 + header + 4 * sum(sizes)


def rewrite(path, **changes):
    text = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**text, **changes}), encoding="utf-8")


def refit(folder, change):
    """Change one agent's weights and the checksum with them."""
    path = folder / "agent_1.safetensors"
    arrays = {name: array.copy() for name, array in load_file(path).items()}
    change(arrays)
    save_file(arrays, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rewrite(path.with_suffix(".json"), weights_sha256=digest)


def tampered(folder):
    path = folder / "agent_1.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def narrower(folder):
    path = folder / "agent_1.json"
    made = json.loads(path.read_text())["signature"]
    rewrite(path, signature={**made, "observation": made["observation"][:-1]})


def without_scale(folder):
    path = folder / "agent_1.json"
    made = json.loads(path.read_text())["signature"]
    made["state"][0]["scale"] = 0.0
    rewrite(path, signature=made)


def not_a_number(arrays):
    arrays["stage2.last.bias"][:] = np.nan


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "agent_1.safetensors").unlink(), r"agent_1\.safetensors is missing"),
        (lambda f: (f / "agent_1.json").write_text("{"), r"agent_1\.json is not JSON"),
        (lambda f: (f / "agent_1.json").write_bytes(b"\xff\xfe"), r"agent_1\.json is not JSON"),
        (lambda f: (f / "agent_1.json").write_text("[]"), "is not a controller of format"),
        (lambda f: rewrite(f / "agent_1.json", format="x/9"), "is not a controller of format"),
        (lambda f: rewrite(f / "agent_1.json", kinds=["plain"]), "description is damaged"),
        (lambda f: rewrite(f / "agent_1.json", kinds=["paper"] * 2), "description is damaged"),
        (lambda f: rewrite(f / "agent_1.json", kinds=["deep"] * 2), "each must be one of"),
        (lambda f: rewrite(f / "agent_1.json", kinds=[]), "description is damaged"),
        (lambda f: rewrite(f / "agent_1.json", signature={}), "description is damaged"),
        (lambda f: rewrite(f / "agent_1.json", agent="agent_7"), "is of agent 'agent_7'"),
        (tampered, r"agent_1\.safetensors is not the file .* written with .* export .* anew"),
        (narrower, "description is damaged"),
        (without_scale, "description is damaged"),
        (lambda f: refit(f, not_a_number), "description is damaged"),
        (lambda f: refit(f, lambda a: a.pop("stage1.first.bias")), "description is damaged"),
        (lambda f: refit(f, lambda a: a.update(stray=np.ones(1))), "description is damaged"),
    ],
)
def test_damaged_files_are_refused_in_one_line(damage, message, tmp_path):
    save_controllers(tmp_path, controllers())
    damage(tmp_path)
    with pytest.raises(ControllerError, match=message) as error:
        load_controllers(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_a_folder_without_controllers_is_named(name, tmp_path):
    with pytest.raises(ControllerError, match="holds no controllers"):
        load_controllers(tmp_path / name)


def test_a_missing_description_is_named(tmp_path):
    with pytest.raises(ControllerError, match=r"agent_0\.json is missing"):
        load_controller(tmp_path / "agent_0.json")


def test_acting_needs_neither_ray_nor_torch(tmp_path):
    save_controllers(tmp_path, controllers())
    code = (
        "import sys\n"
        "from policies import load_controllers\n"
        "team = load_controllers(sys.argv[1])\n"
        "agent = team['agent_1']\n"
        "agent.act([[0.1]], agent.act([[0.1]]), [[0.1, 0.2, 0.3]])\n"
        "print(sorted({'ray', 'torch', 'gymnasium'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout == "[]\n"

"""Files of exported controllers: what is written is read again, and damage is refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exported import SPEC, controllers, inputs, joint_actions
from safetensors.numpy import load_file, save_file

from policies.controllers.agent import ControllerError
from policies.controllers.files import load_controller, load_controllers, save_controllers
from policies.networks.team import ACTORS

ROOT = Path(__file__).resolve().parents[3]


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
    assert text["format"] == "policies.controller/1"  # files of earlier versions are read too
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
        (
            lambda f: rewrite(f / "agent_1.json", kinds=["plain", "recurrent-plain"]),
            "each must be one of .* of one form",
        ),
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


def test_agents_may_be_numbers(tmp_path):
    made = list(controllers().values())
    for number, controller in enumerate(made):
        controller.agent = number
    save_controllers(tmp_path, dict(enumerate(made)))
    assert {path.name for path in tmp_path.glob("*.json")} == {"0.json", "1.json", "2.json"}
    loaded = load_controllers(tmp_path)
    assert list(loaded) == [0, 1, 2] and loaded[1].agent == 1
    np.testing.assert_array_equal(loaded[1].act([0.3]), made[1].act([0.3]))
    with pytest.raises(ControllerError, match=r"two agents' files would be 1\.json: rename one"):
        save_controllers(tmp_path, {1: made[1], "1": made[1]})


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

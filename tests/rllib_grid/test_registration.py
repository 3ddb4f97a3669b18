"""The environments are registered with Ray, whichever is imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest
import ray
from gymnasium.envs.registration import parse_env_id
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import ENV_CREATOR, _global_registry

import rllib_grid
from rllib_grid.registration import ENVIRONMENTS

pytestmark = pytest.mark.filterwarnings("default")  # of Ray and RLlib about themselves

PROBE = """
import sys
{imports}
from ray.tune import registry
from rllib_grid.registration import ENVIRONMENTS
print([registry._global_registry.contains(registry.ENV_CREATOR, name) for name in ENVIRONMENTS])
print([one for one in sys.meta_path if type(one).__module__.startswith("rllib_grid")])
"""
ORDERS = {
    "rllib_grid first": "import rllib_grid; import ray.rllib",
    "ray first": "import ray.rllib; import rllib_grid",
    "tune's registry first": "import ray.tune.registry; import rllib_grid",
    "looked for, and imported later": (
        "import ray, rllib_grid, importlib.util; importlib.util.find_spec('ray.tune.registry')"
    ),
    "imported twice": (
        "import rllib_grid; del sys.modules['rllib_grid']; import rllib_grid; import ray.tune"
    ),
}


@pytest.mark.parametrize("imports", ORDERS.values(), ids=ORDERS)
def test_either_order(imports: str) -> None:
    code = PROBE.format(imports=imports)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str([True] * len(ENVIRONMENTS)), "[]"]


def test_names_keep_gymnasiums_rules() -> None:
    assert set(ENVIRONMENTS) == {
        "grid",
        "grid-day",
        "rllib_grid/Grid-v0",
        "rllib_grid/GridDay-v0",
    }
    assert parse_env_id("rllib_grid/GridDay-v0") == ("rllib_grid", "GridDay", 0)
    assert parse_env_id("rllib_grid/Grid-v0") == ("rllib_grid", "Grid", 0)


def test_a_worker_finds_them_by_name(ray_session) -> None:
    """A process that has imported nothing of this package."""

    @ray.remote(runtime_env={"env_vars": {"SOMETHING": "new"}})  # so the process is new too
    def made(names: list[str]) -> list[str]:
        assert "rllib_grid" not in sys.modules
        envs = [_global_registry.get(ENV_CREATOR, name)({"seed": 1}) for name in names]
        return [f"{type(env).__name__} {env.case.name}" for env in envs]

    plain, day = "GridEnv ieee13", "GridDayEnv ieee13-day"
    assert ray.get(made.remote(list(ENVIRONMENTS))) == [plain, day, plain, day]


@pytest.mark.parametrize("name", ["rllib_grid/Grid-v0", "rllib_grid/GridDay-v0"])
def test_stock_ppo_trains_on_a_name_with_a_namespace(ray_session, name: str) -> None:
    config = (
        PPOConfig()
        .environment(name)
        .env_runners(num_env_runners=1, num_cpus_per_env_runner=1)
        .learners(num_learners=0)
        .multi_agent(
            policies={"agent_0", "agent_1"}, policy_mapping_fn=lambda agent, *_, **__: agent
        )
        .training(train_batch_size_per_learner=48, minibatch_size=48, num_epochs=1)
    )
    algorithm = config.build_algo()
    try:
        result = algorithm.train()
    finally:
        algorithm.stop()
    assert {"agent_0", "agent_1"} <= set(result["learners"])


def test_the_package_offers_the_classes_behind_the_names() -> None:
    assert isinstance(ENVIRONMENTS["grid"]({}), rllib_grid.GridEnv)
    assert isinstance(ENVIRONMENTS["grid-day"]({}), rllib_grid.GridDayEnv)

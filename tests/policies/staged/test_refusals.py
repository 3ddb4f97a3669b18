"""RLlib's settings that would be ignored: each is refused by name."""

from __future__ import annotations

import gymnasium as gym
import pytest
from ray.rllib.connectors.connector_pipeline_v2 import ConnectorPipelineV2
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from policies import MADDPGConfig, MARDPGConfig
from policies.staged.refusals import NOT_HONOURED

BOX = gym.spaces.Box(-1.0, 1.0, (1,))
# Method (None: an attribute), name there, a value, and the attribute that holds it where it
# has another name.
SET = [
    ("training", "lr", 1e-4),
    ("training", "grad_clip", 1.0),
    ("training", "grad_clip_by", "norm"),
    ("experimental", "_torch_lr_scheduler_classes", [object]),
    ("experimental", "_torch_grad_scaler_class", object),
    ("framework", "torch_skip_nan_gradients", True),
    ("training", "optimizer", {"eps": 1e-3}),
    ("training", "train_batch_size", 4000),
    ("training", "train_batch_size_per_learner", 4000),
    ("training", "num_epochs", 3),
    ("training", "shuffle_batch_per_epoch", True),
    ("training", "learner_connector", lambda *spaces: ConnectorPipelineV2()),
    ("learners", "learner_connector", lambda *spaces: ConnectorPipelineV2()),
    ("training", "add_default_connectors_to_learner_pipeline", False),
    ("env_runners", "env_to_module_connector", lambda env: ConnectorPipelineV2()),
    ("env_runners", "module_to_env_connector", lambda env, module: ConnectorPipelineV2()),
    ("env_runners", "add_default_connectors_to_env_to_module_pipeline", False),
    ("env_runners", "add_default_connectors_to_module_to_env_pipeline", False),
    ("env_runners", "rollout_fragment_length", 50),
    ("env_runners", "episode_lookback_horizon", 5),
    ("reporting", "min_train_timesteps_per_iteration", 10),
    ("reporting", "min_sample_timesteps_per_iteration", 10),
    ("multi_agent", "count_steps_by", "agent_steps"),
    ("env_runners", "explore", False),
    (None, "exploration_config", {"type": "EpsilonGreedy"}),
    ("env_runners", "observation_filter", "MeanStdFilter"),
    ("env_runners", "compress_observations", True),
    ("environment", "clip_rewards", True),
    ("environment", "normalize_actions", False),
    ("environment", "clip_actions", True),
    ("environment", "action_mask_key", "mask"),
    ("env_runners", "gym_env_vectorize_mode", "async"),
    ("multi_agent", "policies_to_train", ["actor_1"]),
    ("multi_agent", "observation_fn", lambda *args: None),
    ("environment", "observation_space", BOX),
    ("environment", "action_space", BOX),
    ("training", "model", {"fcnet_hiddens": [8]}),
    ("rl_module", "model_config", {"fcnet_hiddens": [8]}),
    ("rl_module", "rl_module_spec", RLModuleSpec()),
    ("rl_module", "algorithm_config_overrides_per_module", {"actor_1": {"gamma": 0.5}}),
    ("offline_data", "input_", "/tmp/rows"),
    ("offline_data", "output", "/tmp/rows"),
    ("framework", "torch_compile_learner", True),
    ("framework", "torch_compile_worker", True),
    ("learners", "num_aggregator_actors_per_learner", 2),
    (None, "enable_rl_module_and_learner", False),
    (None, "enable_env_runner_and_connector_v2", False),
    (None, "framework_str", "tf2"),
    ("env_runners", "create_local_env_runner", False),
    ("env_runners", "sample_timeout_s", 1.0),
    ("reporting", "metrics_num_episodes_for_smoothing", 5),
    ("resources", "num_gpus", 1),
    ("multi_agent", "policies", {"one", "two"}),
    ("multi_agent", "policy_mapping_fn", lambda agent, episode: "one"),
]


def plain(kind=MADDPGConfig):
    return kind().environment("quadratic_game")


def test_every_name_has_a_case():
    tried = {name.removeprefix("_") for _, name, _ in SET}
    assert tried == {name.removeprefix("_") for name in NOT_HONOURED} | {
        "policies",
        "policy_mapping_fn",
    }


@pytest.mark.parametrize("kind", [MADDPGConfig, MARDPGConfig])
@pytest.mark.parametrize(("method", "name", "value"), SET)
def test_what_would_be_ignored_is_refused_by_name(method, name, value, kind):
    config = plain(kind)
    if method is None:
        setattr(config, name, value)
    else:
        getattr(config, method)(**{name: value})
    with pytest.raises(ValueError) as refused:
        config.validate()
    line = str(refused.value)
    assert line.startswith(f"{name.removeprefix('_')} is ")
    assert f"which {config.title} does not use: " in line
    own = NOT_HONOURED.get(name, NOT_HONOURED.get(f"_{name}", "there is a module per stage"))
    assert own in line


@pytest.mark.parametrize("kind", [MADDPGConfig, MARDPGConfig])
def test_a_plain_configuration_is_valid_twice(kind):
    config = plain(kind)
    config.validate()
    config.validate()
    assert set(config.policies) == set(config.module_ids)


def test_the_number_of_stages_may_change_between_checks():
    config = plain()
    for stages in (1, 3, 2):
        config.stages(num_stages=stages).validate()
        assert set(config.policies) == {f"actor_{k + 1}" for k in range(stages)} | {"critic"}
    config.copy().validate()
    config.copy(copy_frozen=False).validate()


def test_what_is_set_after_a_check_is_refused_at_the_next():
    config = plain()
    config.validate()
    config.training(lr=1e-4)
    with pytest.raises(
        ValueError, match=r"^lr is 0\.0001, which MADDPG does not use: set actor_lr"
    ):
        config.validate()


def test_policies_of_ones_own_are_refused_after_a_check_too():
    config = plain()
    config.validate()
    config.multi_agent(policies={"one"}, policy_mapping_fn=lambda agent, episode: "one")
    with pytest.raises(ValueError, match="policies is set, which MADDPG does not use"):
        config.validate()


def test_evaluation_may_go_without_noise():
    config = plain().evaluation(evaluation_interval=1, evaluation_config={"explore": False})
    config.validate()
    assert config.get_evaluation_config_object().explore is False


def test_what_says_what_happens_anyway_is_accepted():
    config = plain().env_runners(batch_mode="complete_episodes", rollout_fragment_length="auto")
    config.environment(clip_rewards=False).validate()

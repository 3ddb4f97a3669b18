"""What algorithms in stages are configured by: one table of settings, and what parts ask."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
import torch
from gymnasium.spaces import Box
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.tune.result import TRIAL_INFO
from torch import Tensor

from policies.contract.joint_spec import JointSpec
from policies.controllers.staged import Controller
from policies.learning.constraints import ObservationModel, check_bounds, excess
from policies.learning.learner import StagedLearner
from policies.learning.modules import (
    CONSTRAINT,
    ActorModule,
    CentralModule,
    ConstraintModule,
    JointBox,
    Make,
    actor_id,
)
from policies.learning.schedule import StagePlan, of_stage
from policies.learning.update import Update
from policies.networks.actors import TeamActor
from policies.sampling.collector import Collector
from policies.sampling.exploration import Act, Explorer, NoisyActor, RandomActor
from policies.sampling.memories import JointReplay, Memory, TrajectoryMemory
from policies.sampling.rollout import Rollout
from policies.sampling.runner import StagedRunner, act_with
from policies.staged.checks import check_complete, check_on_policy, is_search_space
from policies.staged.refusals import check_honoured, own_mapping
from policies.staged.setting import Setting
from policies.staged.sizes import SPREAD, Survey, is_open

# What an algorithm without these settings has.
_FALLBACKS = ("num_stages", "rounds", "full_state", "carry_critic", "constraint", "target_input")
# What RLlib sets, or its dictionaries hold, that a fresh configuration has not.
_OTHER_NAMES = (
    "multiagent",
    "lambda",
    "input",
    "callbacks",
    "create_env_on_driver",
    "custom_eval_function",
    "framework",
    "num_workers",
    "replay_buffer_config",
    "class",
    "worker_index",
    TRIAL_INFO,
)
# What is charged for bounds where nothing is given: in spreads of rewards (as they are learnt) per
# standard deviation of what is measured, or per square of it; margins in such deviations.
PRICES = {"price": 1.0, "margin": 0.02, "curvature": 10.0, "step": 0.1}
PROBING_PRICES = {"price": 0.001, "margin": 0.0, "curvature": 0.0, "step": 0.0}
LEAST_SPREAD = 1e-3  # of what is measured, relative to the greatest
VIOLATION = 10.0  # see `StagedConfig.score`

_CENTRAL_SEEDS = 800  # of central networks after the first, apart from those of the actors
_CONSTRAINT_SEED = 900


class StagedConfig(AlgorithmConfig):
    """Base of the configurations of all algorithms in stages.

    An algorithm names its settings, update, memory and networks, and overrides what differs. Every
    setting is an attribute, is taken by `training`, and is checked when it is set, however it is:
    one number serves where several are taken.

    Attributes:
        title: Name of the algorithm in errors.
        settings: Its table of settings, by name.
        update_class: What it does with a minibatch.
        memory_class: What its minibatches are made of.
        collector_class: How trajectories become rows.
        averaged: Whether there are target actors, an average over recent weights.
        candidates: What may be frozen at the end of a stage, by the names that networks have in
            `ActorModule`: of the one that scores best on validation.
        random_warmup: Whether the first stage's warm-up acts uniformly at random.
        can_fit: Whether its critics may be fitted where nothing is said of them.
    """

    title: ClassVar[str]
    settings: ClassVar[Mapping[str, Setting]]
    update_class: ClassVar[type[Update]]
    memory_class: ClassVar[type[Memory]] = JointReplay
    collector_class: ClassVar[type[Collector]] = Collector
    averaged: ClassVar[bool] = True
    candidates: ClassVar[tuple[str, ...]] = ("actor", "target")
    random_warmup: ClassVar[bool] = True
    can_fit: ClassVar[bool] = False

    survey: Survey | None = None  # of the environment, see `sized`
    chosen: Mapping[str, Any] = {}  # settings that were left to the case, as `sized` chose them

    # See `_FALLBACKS`.
    num_stages: int = 1
    rounds: int = 1
    full_state: bool = False
    carry_critic: bool = True
    constraint: str = "none"
    constraint_share: float = 0.0
    target_input: str = "probe"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Show the table of settings where Python's `help` looks."""
        super().__init_subclass__(**kwargs)
        if "settings" in cls.__dict__:
            rows = (f"    {s.name} ({s.bounds}): {s.words}" for s in cls.settings.values())
            cls.__doc__ = "\n".join([f"{cls.__doc__}\n\nSettings:", *rows])

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class)
        self._made_policies: set[str] = set()  # by `validate`
        self.num_env_runners = 0
        self.num_envs_per_env_runner = 250
        self.env_runner_cls = StagedRunner
        self.env_runner_health_probe_timeout_s = 1.0  # each iteration waits so long for a dead one
        self.delay_between_env_runner_restarts_s = 1.0  # and for a learner that failed
        for name, setting in self.settings.items():
            setattr(self, name, setting.checked(setting.default))

    def __setattr__(self, name: str, value: Any) -> None:
        if "_made_policies" in self.__dict__:  # RLlib's own defaults are all set
            self._check_name(name, value)
            if name in self.settings and not is_search_space(value):
                value = self.settings[name].checked(value)
        super().__setattr__(name, value)

    def _check_name(self, name: str, value: Any) -> None:
        """Refuse what nothing would read."""
        if name in self.settings:
            return
        unknown = name[0] != "_" and not hasattr(self, name) and name not in _OTHER_NAMES
        if unknown or (name in _FALLBACKS and value != getattr(StagedConfig, name)):
            self._refuse(name)

    def training(self, **settings: Any) -> Self:
        """Set anything of the algorithm's table of settings, or of RLlib's `training`.

        Args:
            **settings: By name, see `settings`; or RLlib's own, such as `learner_class`.

        Returns:
            This configuration.

        Raises:
            ValueError: There is no such setting, or its value is out of bounds.
        """
        theirs = inspect.signature(AlgorithmConfig.training).parameters
        more = {
            k: settings.pop(k) for k in list(settings) if k in theirs and k not in self.settings
        }
        super().training(**more)
        return self._take(settings)

    def stages(self, **settings: Any) -> Self:
        """Set what belongs to the stages and the work of each, see `settings`.

        Args:
            **settings: By name: num_stages, episodes, updates_per_episode, warmup_episodes, ...

        Returns:
            This configuration.
        """
        return self._take(settings)

    def exploration(self, **settings: Any) -> Self:
        """Set what belongs to exploration, see `settings`: noise, sigma.

        Returns:
            This configuration.
        """
        return self._take(settings)

    def update_from_dict(self, config_dict: Mapping[str, Any]) -> Self:
        """Set by name what Ray Tune and checkpoints hold; see RLlib's own.

        Raises:
            ValueError: A name is neither a setting nor an attribute of RLlib's.
        """
        for name in config_dict:
            if not hasattr(self, name) and name not in _OTHER_NAMES and name[0] != "_":
                self._refuse(name)
        made: Self = super().update_from_dict(dict(config_dict))
        return made

    def _take(self, settings: Mapping[str, Any]) -> Self:
        for name, value in settings.items():
            if name not in self.settings:
                self._refuse(name)
            setattr(self, name, value)
        return self

    def _refuse(self, name: str) -> NoReturn:
        near = difflib.get_close_matches(name, self.settings, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{name} is no setting of {self.title}{hint}")

    def validate(self) -> None:
        """Check how settings go together.

        Raises:
            ValueError: naming the setting, its value and what it must be.
        """
        if not self.in_evaluation:
            check_honoured(self, self.title, self._made_policies)
        check_complete(self)
        self._made_policies = set(self.module_ids)
        self.multi_agent(policies=self._made_policies, policy_mapping_fn=own_mapping)
        super().validate()
        if self.episodes is not None and len(self.episodes) not in (1, self.num_stages):
            raise ValueError(
                f"episodes is {self.episodes}, must be 1 number or {self.num_stages}, one for each "
                "of num_stages"
            )
        if self.rounds > 1 and self.num_stages == 1:
            raise ValueError(f"rounds is {self.rounds}, must be 1 where num_stages is 1")
        if self.minibatch_size % max(1, self.num_learners):
            raise ValueError(
                f"minibatch_size is {self.minibatch_size}, must be a multiple of num_learners "
                f"({self.num_learners})"
            )
        if not 0 <= (self.seed or 0) < 2**32:
            raise ValueError(f"seed is {self.seed}, must be >= 0 and < 2^32")
        planned = ("episodes", "updates_per_episode", "warmup_episodes")
        if self.memory_class.whole and not any(is_open(self, name) for name in planned):
            check_on_policy(self)

    # --- what an algorithm says -----------------------------------------------------------

    @property
    def chosen_update(self) -> type[Update]:
        """The update that the settings ask for."""
        return self.update_class

    def actor_network(self, spec: JointSpec, stage: int) -> Make:
        """How to make the actors of a stage."""
        return partial(TeamActor, spec, stage, kind=self.actor_net, width=self.actor_width)

    def central_networks(self, spec: JointSpec | None) -> dict[str, Make]:
        """How to make the networks that see everything, by name; the rate of each is `NAME_lr`.

        Args:
            spec: None asks for the names alone.
        """
        return {}

    def observation_model(self, spec: JointSpec) -> Make:
        """How to make the model of what is measured, for bounds that are held."""
        return partial(ObservationModel, spec, self.critic_width)

    def row_widths(self, spec: JointSpec, stage: int) -> dict[str, int]:
        """The width of each column of a row of the memory."""
        widths = {
            "inputs": spec.input_dim(stage),
            "action": spec.action_dim,
            "reward": spec.num_agents if self.rewards_by_agent else 1,
            "obs": spec.obs_dim,
            "next_inputs": spec.input_dim(stage),
            "terminated": 1,
        }
        return {name: widths[name] for name in self.columns}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row: of what runners keep, and what the memory adds."""
        return ("inputs", "action", "reward")

    @property
    def rewards_by_agent(self) -> bool:
        """Whether rows hold the agents' own rewards in place of the shared one."""
        return False

    def make_memory(self, spec: JointSpec, stage: int) -> Memory:
        """The memory of a stage, empty."""
        if self.memory_class is TrajectoryMemory:
            return TrajectoryMemory(self.gamma)
        return JointReplay(self.replay_capacity, self.row_widths(spec, stage))

    def act_of(self, actor: Any) -> Act:
        """A stage's actors as what acts in an environment, beginning with a trajectory."""
        return act_with(actor)

    def explorer(
        self, act: Act, shape: tuple[int, int], rng: Any, sigma: float, spec: JointSpec
    ) -> Explorer:
        """What acts for the active stage while rows are collected.

        Args:
            act: Its actors, without noise.
            shape: (lanes, A).
            rng: All that is drawn comes from it.
            sigma: Scale of the noise now.
            spec: Of the environment.
        """
        return NoisyActor(act, getattr(self, "noise", "gaussian"), shape, rng, sigma, spec)

    def random_explorer(self, shape: tuple[int, int], rng: Any, spec: JointSpec) -> Explorer:
        """What acts while a random warm-up is collected."""
        return RandomActor(shape, rng, spec)

    def score(self, rollout: Rollout, spec: JointSpec, stage: int) -> float:
        """The metric by which validation selects.

        The mean return; where bounds are to be held, less what excess costs at the price that a
        stage begins with, and less `VIOLATION` spreads of rewards times the share of the rows
        beyond `constraint_share` in which a bound is exceeded.
        """
        mean = float(np.mean(rollout.returns))
        outside = self.outside(rollout, spec)
        if outside is None:
            return mean
        price = torch.tensor(self.constraint_of(stage, spec.obs_dim)["price"], dtype=torch.float64)
        paid = float((outside.double() @ price).sum()) / len(rollout.returns)
        over = float((outside > 0.0).any(1).double().mean()) - self.constraint_share
        score: float = mean - paid - VIOLATION * SPREAD / self.reward_scale * max(0.0, over)
        return score

    def outside(self, rollout: Rollout, spec: JointSpec) -> Tensor | None:
        """How far what was measured lay out of its bounds, (rows, O); None where none are held."""
        if self.constraint != "lagrangian":
            return None
        obs = torch.from_numpy(rollout.rows()["obs"]).reshape(-1, spec.obs_dim)
        return excess(obs, torch.tensor(spec.obs_low), torch.tensor(spec.obs_high))

    def actor_sample(self, inputs: Tensor) -> Tensor:
        """Rows of `inputs` in the form that `fit_inputs` of the actors takes."""
        return inputs

    def make_controller(
        self, agent: Any, signature: dict[str, Any], actors: list[Any], index: int
    ) -> Any:
        """What one agent runs.

        Args:
            agent: Its name.
            signature: What goes in and out.
            actors: The networks of all stages.
            index: Of the agent.
        """
        rounds = self.rounds if len(actors) == self.num_stages else 1
        kinds = [actor.kind for actor in actors]
        return Controller(agent, signature, kinds, [a.agent_layers(index) for a in actors], rounds)

    def check_environment(self, spec: JointSpec, has_probe: bool) -> None:
        """Refuse an environment that the settings do not go with.

        Raises:
            ValueError: several stages are asked of an environment without a probe, or bounds are
                to be held of one that has none.
        """
        if self.constraint == "lagrangian":
            check_bounds(spec, max(self.constraint_margin or (0.0,)))
        if self.num_stages > 1 and not has_probe:
            raise ValueError(
                f"num_stages is {self.num_stages}, but the environment has no probe(action): "
                "only one stage can be trained on it"
            )

    # --- what the parts of the machinery ask ----------------------------------------------

    @property
    def module_ids(self) -> tuple[str, ...]:
        """Ids of all modules: a stage's actors each, and what sees everything."""
        stages = (actor_id(k + 1) for k in range(self.num_stages))
        return (*stages, *self.central_networks(None), *self._constraint_ids)

    @property
    def _constraint_ids(self) -> tuple[str, ...]:
        return (CONSTRAINT,) if self.constraint == "lagrangian" else ()

    def plan(self, stage: int) -> StagePlan:
        """The work of a stage, counted from 1."""
        episodes = int(of_stage(self.episodes, stage))
        most = episodes if self.chosen_update.fits else max(1, episodes // 2)
        seen = self.survey.episodes if self.survey is not None and stage == 1 else 0
        return StagePlan(
            episodes=episodes,
            updates=round(episodes * of_stage(self.updates_per_episode, stage)),
            warmup=min(seen + self.warmup_episodes, most),
            collect_share=self.collect_share,
        )

    def constraint_of(self, stage: int, obs_dim: int) -> dict[str, list[float]]:
        """Price, margin, curvature and step of a stage, counted from 1, of each observation."""
        last = stage == self.num_stages
        found = PRICES if last else PROBING_PRICES
        spread = np.ones(obs_dim) if self.survey is None else np.array(self.survey.obs_spread)
        spread = np.maximum(spread, LEAST_SPREAD * spread.max())
        worth = SPREAD / self.reward_scale / spread  # of one deviation, in the reward's unit
        units = {"price": worth, "margin": spread}
        made = {}
        for name, share in found.items():
            given = getattr(self, f"constraint_{name}")
            value = share * units.get(name, worth / spread) if given is None else given[-last]
            made[name] = np.broadcast_to(value, obs_dim).tolist()
        return made

    def module_spaces(self, spec: JointSpec, has_probe: bool) -> dict[str, tuple[Any, Any]]:
        """Spaces per module id, of joint arrays; they carry the joint spec.

        Raises:
            ValueError: see `check_environment`.
        """
        self.check_environment(spec, has_probe)
        action = Box(-1.0, 1.0, (spec.action_dim,))
        spaces = {}
        for stage in range(1, self.num_stages + 1):
            spaces[actor_id(stage)] = (JointBox(spec.input_dim(stage), spec), action)
        for module_id in (*self.central_networks(None), *self._constraint_ids):
            spaces[module_id] = (JointBox(spec.state_dim, spec), action)
        return spaces

    def get_default_learner_class(self) -> type:
        """`StagedLearner`."""
        return StagedLearner

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The class of the actors' modules; `get_multi_rl_module_spec` fills in the rest."""
        return RLModuleSpec(module_class=ActorModule)

    def build_learner_connector(self, *args: Any, **kwargs: Any) -> None:
        """None: learners are given joint rows, not episodes."""

    def get_multi_rl_module_spec(
        self, *, spaces: Any = None, inference_only: bool = False, **kwargs: Any
    ) -> MultiRLModuleSpec:
        """One module per stage with its actors; on learners those that see everything too."""
        spec: JointSpec = spaces[actor_id(1)][0].spec
        seed = (self.seed or 0) % 2**32 * 1_000
        found = {}
        for stage in range(1, self.num_stages + 1):
            found[actor_id(stage)] = RLModuleSpec(
                module_class=ActorModule,
                inference_only=inference_only,
                model_config={
                    "make": self.actor_network(spec, stage),
                    "stage": stage,
                    "averaged": self.averaged,
                    "seed": seed + stage,
                },
            )
        if not inference_only:
            for place, (name, make) in enumerate(self.central_networks(spec).items()):
                own = seed + (_CENTRAL_SEEDS + place if place else 0)
                found[name] = _learner_only(CentralModule, {"make": make, "seed": own})
            for name in self._constraint_ids:
                model = {
                    "make": self.observation_model(spec),
                    "how": self.constraint_of(1, spec.obs_dim),
                    "seed": seed + _CONSTRAINT_SEED,
                }
                found[name] = _learner_only(ConstraintModule, model)
        for name, module_spec in found.items():
            module_spec.observation_space, module_spec.action_space = spaces[name]
        return MultiRLModuleSpec(rl_module_specs=found)


def _learner_only(module_class: type, model_config: dict[str, Any]) -> RLModuleSpec:
    return RLModuleSpec(module_class=module_class, learner_only=True, model_config=model_config)

"""What MADDPG is configured by: networks, learning, stages, exploration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gymnasium.spaces import Box
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from policies.contract.joint_spec import JointSpec
from policies.networks.team import ACTORS, CRITICS
from policies.staged.constraints import CONSTRAINTS, check_bounds
from policies.staged.exploration import NOISES
from policies.staged.learner import MADDPGLearner
from policies.staged.module_specs import JointBox, module_specs
from policies.staged.modules import CONSTRAINT, CRITIC, ActorModule, actor_id
from policies.staged.runner import MADDPGEnvRunner
from policies.staged.stages import StagePlan


class MADDPGConfig(AlgorithmConfig):
    """Configuration of MADDPG in K stages (K = 1: MADDPG, 2: TS-MADDPG, more: multi-stage).

    Example:
        >>> config = (
        ...     MADDPGConfig()
        ...     .environment("grid", env_config={"case": "ieee13"})
        ...     .stages(num_stages=2, episodes=[10_000, 10_000])
        ... )
        >>> algo = config.build_algo()
        >>> algo.train()
    """

    def __init__(self, algo_class: type | None = None) -> None:
        if algo_class is None:
            from policies.staged.algorithm import MADDPG as algo_class  # it imports this room
        super().__init__(algo_class=algo_class)
        # RLlib's own settings.
        self.gamma = 0.0
        self.minibatch_size = 256
        self.num_env_runners = 0
        self.num_envs_per_env_runner = 250
        self.env_runner_cls = MADDPGEnvRunner
        self.env_runner_health_probe_timeout_s = 1.0  # each iteration waits so long for a dead one
        self.delay_between_env_runner_restarts_s = 1.0  # and for a learner that failed
        # Stages.
        self.num_stages = 1
        self.rounds = 1
        self.episodes: list[int] = [10_000]
        self.updates_per_episode = 1.0
        self.warmup_episodes = 1_000
        self.collect_share = 0.5
        self.updates_per_iteration = 250
        self.validation_episodes = 2_000
        self.validation_seed = 0
        # Networks.
        self.critic = "shared"
        self.critic_net = "quadratic-residual"
        self.critic_width = 64
        self.critic_rows = 48
        self.carry_critic = True
        self.actor_net = "plain"
        self.actor_width = 64
        self.full_state = False
        self.whiten_inputs = True
        self.whiten_floor = 1e-3
        # Learning.
        self.actor_lr: list[float] = [2e-3]
        self.critic_lr: list[float] = [3e-3, 1e-3]
        self.lr_decay = "cosine"
        self.tau = 0.002
        self.critic_tau: float | None = None
        self.actor_step = "joint"
        self.target_input = "probe"
        self.reward_scale = 0.5
        self.replay_capacity = 100_000
        # Bounds on observations.
        self.constraint = "none"
        self.constraint_price: list[float] = [1.5, 150.0]
        self.constraint_margin: list[float] = [0.0, 0.004]
        self.constraint_curvature: list[float] = [0.0]
        self.constraint_step: list[float] = [0.0, 10.0]
        # Exploration.
        self.noise = "gaussian"
        self.sigma: list[float] = [0.3]

    def training(
        self,
        *,
        critic: str = NotProvided,
        critic_net: str = NotProvided,
        critic_width: int = NotProvided,
        critic_rows: int = NotProvided,
        carry_critic: bool = NotProvided,
        actor_net: str = NotProvided,
        actor_width: int = NotProvided,
        full_state: bool = NotProvided,
        whiten_inputs: bool = NotProvided,
        whiten_floor: float = NotProvided,
        actor_lr: float | Sequence[float] = NotProvided,
        critic_lr: float | Sequence[float] = NotProvided,
        lr_decay: str = NotProvided,
        tau: float = NotProvided,
        critic_tau: float | None = NotProvided,
        actor_step: str = NotProvided,
        target_input: str = NotProvided,
        reward_scale: float = NotProvided,
        replay_capacity: int = NotProvided,
        constraint: str = NotProvided,
        constraint_price: float | Sequence[float] = NotProvided,
        constraint_margin: float | Sequence[float] = NotProvided,
        constraint_curvature: float | Sequence[float] = NotProvided,
        constraint_step: float | Sequence[float] = NotProvided,
        **kwargs: Any,
    ) -> MADDPGConfig:
        """Networks and learning.

        Args:
            critic: "shared" (one for all agents, on the shared reward; MADDPG-1) or "separate"
                (one per agent, on the agents' rewards; MADDPG-2).
            critic_net: "quadratic-residual", "saddle-residual" (for gamma > 0) or "paper", see
                `networks.Critics`.
            critic_width: units of the critics' hidden layers.
            critic_rows: rows of the quadratic part.
            carry_critic: whether a stage begins with the critics of the stage before, as the
                paper's Algorithm 1 does, or with fresh ones.
            actor_net: "plain" or "paper", see `networks.TeamActor`.
            actor_width: units of the actors' hidden layers.
            full_state: whether every actor sees the whole joint state (no decentralised control,
                but the yardstick of it).
            whiten_inputs: whether each stage begins by fixing an affine map of the actors'
                inputs that whitens what the warm-up has shown.
            whiten_floor: see `networks.TeamActor.fit_inputs`.
            actor_lr: Adam's rate; a sequence gives one per stage, the last for all later ones.
            critic_lr: the same for the critics.
            lr_decay: "cosine" (to zero at the end of each stage) or "constant".
            tau: step of the target actors (and critics), in (0, 1]. The target actors are also
                what is validated and frozen, beside the current ones: an average over recent
                weights.
            critic_tau: step of the target critics, in (0, 1]; `tau` if None. With gamma > 0 the
                values of a horizon of T steps need some T / critic_tau updates to come through.
            actor_step: "joint" (all agents act as their current actors do) or "own" (the
                paper's: the others' actions are those of the minibatch).
            target_input: for gamma > 0, what the target actors of a stage > 1 see at s':
                "probe" (s', a~', o') as when acting, or "literal" (s', a, o'), Algorithm 1 as
                printed.
            reward_scale: factor on rewards before they are learnt.
            replay_capacity: rows of the replay buffer.
            constraint: "none", or "lagrangian": actors hold the bounds that the environment sets
                on what is measured under a rewarded action (see `constraints`). The reward itself
                should then hold no penalty for them.
            constraint_price: the multipliers that a stage begins with, reward per unit of
                observation; also what validation charges. Here and below, of two numbers the
                first is that of stages whose action is a probe for another one, the second that
                of the last stage. Probes that are priced dearly tell less.
            constraint_margin: by which the bounds are tightened for the actors, in units of the
                observation.
            constraint_curvature: weight of half the squared excess, reward per squared unit of
                observation.
            constraint_step: step of the dual ascent: by how much the multipliers rise with an
                update, per unit of mean excess.
            **kwargs: RLlib's own, such as `gamma` and `minibatch_size` (rows per update).

        Returns:
            This configuration.
        """
        super().training(**kwargs)
        given = {
            "critic": critic,
            "critic_net": critic_net,
            "critic_width": critic_width,
            "critic_rows": critic_rows,
            "carry_critic": carry_critic,
            "actor_net": actor_net,
            "actor_width": actor_width,
            "full_state": full_state,
            "whiten_inputs": whiten_inputs,
            "whiten_floor": whiten_floor,
            "actor_lr": _listed(actor_lr),
            "critic_lr": _listed(critic_lr),
            "lr_decay": lr_decay,
            "tau": tau,
            "critic_tau": critic_tau,
            "actor_step": actor_step,
            "target_input": target_input,
            "reward_scale": reward_scale,
            "replay_capacity": replay_capacity,
            "constraint": constraint,
            "constraint_price": _listed(constraint_price),
            "constraint_margin": _listed(constraint_margin),
            "constraint_curvature": _listed(constraint_curvature),
            "constraint_step": _listed(constraint_step),
        }
        return self._take(given)

    def stages(
        self,
        *,
        num_stages: int = NotProvided,
        rounds: int = NotProvided,
        episodes: int | Sequence[int] = NotProvided,
        updates_per_episode: float = NotProvided,
        warmup_episodes: int = NotProvided,
        collect_share: float = NotProvided,
        updates_per_iteration: int = NotProvided,
        validation_episodes: int = NotProvided,
        validation_seed: int = NotProvided,
    ) -> MADDPGConfig:
        """The stages and the work of each.

        Args:
            num_stages: K.
            rounds: how often the last stage's actor is applied, each time to the (action,
                observation) pair that it has brought about itself: 1 is plain staging, more is the
                iterated actor. In training the number is drawn from 1..rounds for each request.
            episodes: rewarded trajectories per stage, warm-up included; one number serves all.
            updates_per_episode: updates of critic and actors per episode.
            warmup_episodes: episodes before the first update of a stage (at most half of the
                stage); with random actions in stage 1, by the fresh actors with noise later.
            collect_share: share of a stage's updates over which its episodes are collected.
            updates_per_iteration: updates per call of `train`; validation follows each.
            validation_episodes: trajectories that only select which actors are frozen.
            validation_seed: of their stream, which no training stream meets.

        Returns:
            This configuration.
        """
        given = {
            "num_stages": num_stages,
            "rounds": rounds,
            "episodes": _listed(episodes),
            "updates_per_episode": updates_per_episode,
            "warmup_episodes": warmup_episodes,
            "collect_share": collect_share,
            "updates_per_iteration": updates_per_iteration,
            "validation_episodes": validation_episodes,
            "validation_seed": validation_seed,
        }
        return self._take(given)

    def exploration(
        self, *, noise: str = NotProvided, sigma: float | Sequence[float] = NotProvided
    ) -> MADDPGConfig:
        """Exploration noise.

        Args:
            noise: "gaussian" or "ornstein-uhlenbeck".
            sigma: standard deviation in units of the scaled action [-1, 1]; two numbers run
                linearly from the first to the second over each stage's episodes.

        Returns:
            This configuration.
        """
        return self._take({"noise": noise, "sigma": _listed(sigma)})

    def _take(self, given: dict[str, Any]) -> MADDPGConfig:
        for name, value in given.items():
            if value is not NotProvided:
                setattr(self, name, value)
        return self

    def validate(self) -> None:
        """Check all settings.

        Raises:
            ValueError: naming the setting, its value and what it must be.
        """
        self.multi_agent(
            policies={*(actor_id(k + 1) for k in range(self.num_stages)), *self._central()},
            policy_mapping_fn=_own_mapping,
        )
        super().validate()
        choices = {
            "critic": ("shared", "separate"),
            "critic_net": CRITICS,
            "actor_net": ACTORS,
            "lr_decay": ("cosine", "constant"),
            "actor_step": ("joint", "own"),
            "target_input": ("probe", "literal"),
            "noise": tuple(NOISES),
            "constraint": CONSTRAINTS,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}, must be one of {allowed}")
        checks = {
            "num_stages": self.num_stages >= 1,
            "rounds": self.rounds >= 1 and (self.rounds == 1 or self.num_stages > 1),
            "episodes": len(self.episodes) in (1, self.num_stages)
            and min(self.episodes, default=0) > 0,
            "updates_per_episode": self.updates_per_episode >= 0,
            "warmup_episodes": self.warmup_episodes >= 1,
            "collect_share": 0 < self.collect_share <= 1,
            "updates_per_iteration": self.updates_per_iteration >= 1,
            "validation_episodes": self.validation_episodes >= 1,
            "gamma": 0 <= self.gamma < 1,
            "tau": 0 < self.tau <= 1,
            "critic_tau": self.critic_tau is None or 0 < self.critic_tau <= 1,
            "actor_width": self.actor_width >= 1,
            "critic_width": self.critic_width >= 1,
            "critic_rows": self.critic_rows >= 1,
            "whiten_floor": self.whiten_floor > 0,
            "actor_lr": min(self.actor_lr, default=0) > 0,
            "critic_lr": min(self.critic_lr, default=0) > 0,
            "reward_scale": self.reward_scale > 0,
            "sigma": len(self.sigma) in (1, 2) and min(self.sigma) >= 0,
            "minibatch_size": self.minibatch_size >= 1
            and self.minibatch_size % max(1, self.num_learners) == 0,
            "replay_capacity": self.replay_capacity >= 1,
            "seed": (self.seed or 0) >= 0,
        }
        for name in ("price", "margin", "curvature", "step"):
            values = getattr(self, f"constraint_{name}")
            checks[f"constraint_{name}"] = len(values) in (1, 2) and min(values) >= 0
        for name, fine in checks.items():
            if not fine:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, out of range (num_stages is "
                    f"{self.num_stages}, num_learners {self.num_learners})"
                )

    # --- what the parts of the algorithm ask --------------------------------------------

    def plan(self, stage: int) -> StagePlan:
        """The work of a stage, counted from 1."""
        episodes = self.episodes[min(stage, len(self.episodes)) - 1]
        return StagePlan(
            episodes=episodes,
            updates=round(episodes * self.updates_per_episode),
            warmup=min(self.warmup_episodes, max(1, episodes // 2)),
            collect_share=self.collect_share,
        )

    def constraint_of(self, stage: int) -> dict[str, float]:
        """Price, margin, curvature and step of a stage, counted from 1."""
        place = -1 if stage == self.num_stages else 0
        names = ("price", "margin", "curvature", "step")
        return {name: getattr(self, f"constraint_{name}")[place] for name in names}

    def replay_columns(self) -> tuple[str, ...]:
        """The columns of a joint row."""
        columns: tuple[str, ...] = ("inputs", "action", "reward")
        columns += ("obs",) if self.constraint != "none" else ()
        return (*columns, "next_inputs", "terminated") if self.gamma > 0.0 else columns

    def _central(self) -> tuple[str, ...]:
        """Ids of the modules that see everything, and are learnt in all stages."""
        return (CRITIC,) if self.constraint == "none" else (CRITIC, CONSTRAINT)

    def module_spaces(self, spec: JointSpec, has_probe: bool) -> dict[str, tuple[Any, Any]]:
        """Spaces per module id, of joint arrays; the actors' carry the joint spec.

        Raises:
            ValueError: if several stages are asked of an environment without a probe, or bounds
                are to be held of one that has none.
        """
        if self.constraint != "none":
            check_bounds(spec, max(self.constraint_margin))
        if self.num_stages > 1 and not has_probe:
            raise ValueError(
                f"num_stages is {self.num_stages}, but the environment has no probe(action): "
                "only one stage can be trained on it"
            )
        action = Box(-1.0, 1.0, (spec.action_dim,))
        spaces = {}
        for stage in range(1, self.num_stages + 1):
            width = spec.input_dim(stage)
            spaces[actor_id(stage)] = (JointBox(width, spec), action)
        for module_id in self._central():
            spaces[module_id] = (JointBox(spec.state_dim, spec), action)
        return spaces

    def get_default_learner_class(self) -> type:
        """`MADDPGLearner`."""
        return MADDPGLearner

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The class of the actors' modules; `get_multi_rl_module_spec` fills in the rest."""
        return RLModuleSpec(module_class=ActorModule)

    def build_learner_connector(self, *args: Any, **kwargs: Any) -> None:
        """None: learners are given joint rows, not episodes."""

    def get_multi_rl_module_spec(
        self, *, spaces: Any = None, inference_only: bool = False, **kwargs: Any
    ) -> MultiRLModuleSpec:
        """One module per stage with its actors; on learners those that see everything too."""
        return MultiRLModuleSpec(rl_module_specs=module_specs(self, spaces, inference_only))


def _own_mapping(agent_id: str, episode: Any = None, **kwargs: Any) -> str:
    return actor_id(1)


def _listed(value: Any) -> Any:
    if value is NotProvided:
        return value
    return list(value) if isinstance(value, Sequence) else [value]

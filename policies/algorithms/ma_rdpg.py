"""MA-RDPG: MADDPG with recurrent actors and critics, several rounds per time step."""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Box
from ray.rllib.algorithms.algorithm_config import NotProvided
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from policies.algorithms.ma_rdpg_learner import MARDPGLearner
from policies.algorithms.ma_rdpg_modules import RecurrentActorModule, RecurrentCriticModule
from policies.algorithms.ma_rdpg_runner import MARDPGEnvRunner
from policies.contract.joint_spec import JointSpec
from policies.controllers.agent import AgentController
from policies.controllers.recurrent import RecurrentController, kind_name
from policies.networks.recurrent import RECURRENT_CRITICS
from policies.staged.algorithm import MADDPG
from policies.staged.config import MADDPGConfig
from policies.staged.constraints import check_bounds
from policies.staged.module_specs import JointBox
from policies.staged.modules import CRITIC, actor_id
from policies.staged.replay import JointReplay


class MARDPGConfig(MADDPGConfig):
    """Configuration of MADDPG with DDPG replaced by RDPG (Heess et al., 2015).

    Example:
        >>> config = (
        ...     MARDPGConfig()
        ...     .environment("grid", env_config={"case": "ieee13"})
        ...     .recurrence(num_rounds=2)
        ...     .stages(episodes=20_000)
        ... )
    """

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or MARDPG)
        self.env_runner_cls = MARDPGEnvRunner
        self.num_rounds = 2
        self.time_steps = 1
        self.memory_width = 32
        # Old rows show what others' probes told while those probed otherwise: keep few, go on
        # collecting to the end, and let the targets of early rounds follow faster.
        self.episodes = [20_000]
        self.updates_per_episode = 0.6
        self.collect_share = 0.95
        self.replay_capacity = 5_000
        self.actor_lr = [3e-3]
        self.tau = 0.005

    def recurrence(
        self,
        *,
        num_rounds: int = NotProvided,
        time_steps: int = NotProvided,
        memory_width: int = NotProvided,
    ) -> MARDPGConfig:
        """Over what the networks recur.

        Args:
            num_rounds: L, rounds per time step, all on one held state; the last is rewarded,
                each before it is followed by a probe.
            time_steps: T, length of every trajectory of the environment; the hidden states go on
                from one time step to the next.
            memory_width: width of the hidden states of actors and critics.

        Returns:
            This configuration.
        """
        given = {
            "num_rounds": num_rounds,
            "time_steps": time_steps,
            "memory_width": memory_width,
        }
        self._take(given)
        return self

    def validate(self) -> None:
        """Check all settings, see `MADDPGConfig.validate`.

        Raises:
            ValueError: naming the setting, its value and what it must be.
        """
        super().validate()
        for name in ("num_rounds", "time_steps", "memory_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be >= 1")
        if self.critic_net not in RECURRENT_CRITICS:
            raise ValueError(
                f"critic_net is {self.critic_net!r}, must be one of "
                f"{', '.join(RECURRENT_CRITICS)} for MA-RDPG"
            )
        if self.critic_tau is not None:
            raise ValueError(f"critic_tau is {self.critic_tau}, must be None for MA-RDPG")
        for name, value in (("num_stages", 1), ("full_state", False), ("target_input", "probe")):
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, must be {value!r} for MA-RDPG"
                )

    # --- what the parts of the algorithm ask --------------------------------------------

    @property
    def rounds_seen(self) -> int:
        """Rounds in a row of replay: those of a trajectory, and one to bootstrap from."""
        return self.num_rounds * self.time_steps + (self.gamma > 0.0)

    def replay_widths(self, spec: JointSpec) -> dict[str, int]:
        """The width of each column of a row, which holds a whole trajectory, flat."""
        rewards = 1 if self.critic == "shared" else spec.num_agents
        widths = {
            "inputs": self.rounds_seen * spec.input_dim(2),
            "action": self.num_rounds * self.time_steps * spec.action_dim,
            "reward": self.time_steps * rewards,
            "terminated": self.time_steps,
            "obs": self.time_steps * spec.obs_dim,
        }
        return {name: widths[name] for name in self.replay_columns()}

    def replay_columns(self) -> tuple[str, ...]:
        """The columns of a row: next inputs are the next round's."""
        return tuple(name for name in super().replay_columns() if name != "next_inputs")

    def module_spaces(self, spec: JointSpec, has_probe: bool) -> dict[str, tuple[Any, Any]]:
        """Spaces per module id, of flat trajectories.

        Raises:
            ValueError: if several rounds are asked of an environment without a probe, or bounds
                are to be held of one that has none.
        """
        if self.constraint != "none":
            check_bounds(spec, max(self.constraint_margin))
        if self.num_rounds > 1 and not has_probe:
            raise ValueError(
                f"num_rounds is {self.num_rounds}, but the environment has no probe(action): "
                "only one round per time step can be trained on it"
            )
        widths = self.replay_widths(spec)
        spaces = (JointBox(widths["inputs"], spec), Box(-1.0, 1.0, (widths["action"],)))
        return dict.fromkeys((actor_id(1), *self._central()), spaces)

    def get_default_learner_class(self) -> type:
        """`MARDPGLearner`."""
        return MARDPGLearner

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The class of the actors' module; `get_multi_rl_module_spec` fills in the rest."""
        return RLModuleSpec(module_class=RecurrentActorModule)

    def get_multi_rl_module_spec(
        self, *, spaces: Any = None, inference_only: bool = False, **kwargs: Any
    ) -> MultiRLModuleSpec:
        """A module with the actors and, on learners, one with the critics."""
        given = super().get_multi_rl_module_spec(
            spaces=spaces, inference_only=inference_only, **kwargs
        )
        classes = {actor_id(1): RecurrentActorModule, CRITIC: RecurrentCriticModule}
        more = {
            "num_rounds": self.num_rounds,
            "recurs": self.rounds_seen > self.num_rounds,
            "memory": self.memory_width,
        }
        for module_id in classes.keys() & given.rl_module_specs.keys():
            spec = given.rl_module_specs[module_id]
            spec.module_class = classes[module_id]
            spec.model_config = {**spec.model_config, **more}
        return given


class MARDPG(MADDPG):
    """MADDPG through sequences; collects, validates, checkpoints and resumes as `MADDPG` does.

    In each of the L rounds of a time step every agent acts on (s_i, its last action, its last
    observation) and its own hidden state, with noise; all but the last action only probe. No
    discount applies between rounds, and only the last is rewarded, so the critics of earlier
    rounds learn what a probe is worth. An update unrolls actors and critics over whole
    trajectories (back-propagation through time), and bootstraps from target networks at every
    round. One row of replay is one whole trajectory: sequences always start where the hidden
    state is zero, so neither are hidden states stored nor is any burn-in needed.
    """

    config: MARDPGConfig

    @classmethod
    def get_default_config(cls) -> MARDPGConfig:
        """Two rounds per time step, with the defaults of `MARDPGConfig`."""
        return MARDPGConfig()

    def _make_replay(self, stage: int) -> JointReplay:
        return JointReplay(self.config.replay_capacity, self.config.replay_widths(self.spec))

    def controllers(self, stages: int | None = None) -> dict[str, AgentController]:
        """What each agent runs, as `files.load_controllers` would give it."""
        runner = self.env_runner_group.local_env_runner
        module = runner.module[actor_id(1)].unwrapped()
        actor = module.actor.with_weights(self.actor_weights(1))
        signature = getattr(runner.lanes(1), "signature", self.spec.plain_signature)
        return {
            agent: RecurrentController(
                agent,
                signature(agent),
                [kind_name(actor.kind)],
                [actor.agent_layers(i)],
                self.config.num_rounds,
            )
            for i, agent in enumerate(self.spec.agents)
        }

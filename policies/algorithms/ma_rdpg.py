"""MA-RDPG: MADDPG with recurrent actors and critics, several rounds per time step.

After recurrent deterministic policy gradients (Heess, Hunt, Lillicrap and Silver, 2015,
"Memory-based control with recurrent neural networks", Algorithm 1) with MADDPG's centralised
critics. In each of the L rounds of a time step every agent acts on (s_i, its last action, its last
observation) and its own hidden state, with noise; all but the last action only probe. No discount
applies between rounds, and only the last is rewarded, so the critics of earlier rounds learn what
a probe is worth. An update unrolls actors and critics over whole trajectories (back-propagation
through time), and bootstraps from target networks at every round. One row of the replay is one
whole trajectory: sequences always start where the hidden state is zero, so neither are hidden
states stored nor is any burn-in needed.

Shapes: B trajectories, T time steps of L rounds, R = T L, m agents, n critics.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from policies.algorithms import losses
from policies.algorithms.maddpg import MADDPGConfig
from policies.algorithms.maddpg_update import MADDPGUpdate
from policies.algorithms.settings import MA_RDPG as FAMILY
from policies.algorithms.settings import settings_of
from policies.contract.joint_spec import JointSpec
from policies.controllers.recurrent import RecurrentController, kind_name
from policies.learning.modules import Make
from policies.learning.update import Update
from policies.networks.recurrent_actors import RecurrentActor
from policies.networks.recurrent_critics import RecurrentCritics
from policies.networks.recurrent_layers import in_rounds
from policies.sampling.collector import Collector
from policies.sampling.exploration import Act
from policies.sampling.sequences import RecurrentAct, SequenceCollector
from policies.staged.algorithm import StagedAlgorithm


def round_targets(
    reward: Tensor, gamma: float, terminated: Tensor | None, next_value: Tensor, num_rounds: int
) -> Tensor:
    """What the critics of all rounds are to learn.

    A round that only probes earns nothing, and no time passes: y = Q'(next round). The last
    round of a time step is rewarded: y = r + gamma (1 - terminated) Q'(next time step).

    Args:
        reward: (n, T, B).
        gamma: discount factor between time steps.
        terminated: (T, B), 1 where the trajectory ended; needed for gamma > 0.
        next_value: Q' at the rounds after the first, (n, T L - 1, B), for gamma > 0
            (n, T L, B) with the round that follows the last.
        num_rounds: L.

    Returns:
        (n, T L, B).
    """
    n, steps, batch = reward.shape
    if terminated is None:
        next_value = torch.cat([next_value, torch.zeros_like(reward[:, :1])], 1)
    target = next_value.reshape(n, steps, num_rounds, batch).clone()
    if terminated is None:
        target[:, :, -1] = reward
    else:
        target[:, :, -1] = losses.td_target(reward, gamma, terminated, target[:, :, -1])
    return target.flatten(1, 2)


class MARDPGUpdate(MADDPGUpdate):
    """MADDPG's update through whole trajectories.

    A minibatch holds flat rows, round by round: `inputs` (B, R (S + A + O)), for gamma > 0 with one
    round more; `action` (B, R A), `reward` (B, T n), for gamma > 0 `terminated` (B, T), and with a
    Lagrangian `obs` (B, T O).
    """

    @property
    def bootstraps(self) -> bool:
        """Target critics judge the round after, whatever gamma is."""
        return True

    def read(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The rounds of all trajectories, first: (R, B, width) by column."""
        spec = self.actor.spec
        action = in_rounds(batch["action"], spec.action_dim)
        inputs = in_rounds(batch["inputs"], spec.input_dim(2))
        return {**batch, "inputs": inputs, "action": action, "seen": inputs[: len(action)]}

    def targets(self, batch: dict[str, Tensor]) -> Tensor:
        """See `round_targets`: (n, R B)."""
        inputs, n, gamma = batch["inputs"], self.critic.n, self.rule.gamma
        reward = in_rounds(batch["reward"], n).permute(2, 0, 1)  # (n, T, B)
        if len(inputs) == 1:
            return reward.flatten(1)
        later = self.target_actor(inputs)[1:].expand(n, -1, -1, -1)
        memory = self.target_critic.remember(inputs)[:, 1:]
        next_value = self.target_critic(inputs[1:], memory, later, start=1)
        ended = batch["terminated"].t() if gamma > 0.0 else None
        return round_targets(reward, gamma, ended, next_value, self.actor.num_rounds).flatten(1)

    def replayed_values(self, batch: dict[str, Tensor]) -> Tensor:
        """Q of the rounds' own actions: (n, R B)."""
        memory = self.critic.remember(batch["seen"])
        action = batch["action"].expand(self.critic.n, -1, -1, -1)
        value: Tensor = self.critic(batch["seen"], memory, action)
        return value.flatten(1)

    def actions(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What the actors do in all rounds, and what was done: (R B, A) each."""
        return self.actor(batch["seen"]).flatten(0, 1), batch["action"].flatten(0, 1)

    def policy_values(self, batch: dict[str, Tensor], judged: Tensor) -> Tensor:
        """Q of joint actions (E, R B, A) beside what the critics remember: (E, R B)."""
        with torch.no_grad():
            memory = self.critic.remember(batch["seen"])
        value: Tensor = self.critic(batch["seen"], memory, self._by_round(batch, judged))
        return value.flatten(1)

    def measured(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Of the rewarded rounds, the last of each time step; see `MADDPGUpdate.measured`."""
        spec, rewarded = self.actor.spec, self._rewarded
        return (
            batch["seen"][rewarded, :, : spec.state_dim].flatten(0, 1),
            batch["action"][rewarded].flatten(0, 1),
            in_rounds(batch["obs"], spec.obs_dim).flatten(0, 1),
        )

    def rewarded(self, batch: dict[str, Tensor], judged: Tensor) -> Tensor:
        """Judged actions of the same rounds."""
        return self._by_round(batch, judged)[:, self._rewarded].flatten(1, 2)

    @property
    def _rewarded(self) -> slice:
        rounds = self.actor.num_rounds
        return slice(rounds - 1, None, rounds)

    def _by_round(self, batch: dict[str, Tensor], judged: Tensor) -> Tensor:
        """(E, R B, A) -> (E, R, B, A)."""
        return judged.view(len(judged), *batch["action"].shape)


class MARDPGConfig(MADDPGConfig):
    """Configuration of MADDPG with DDPG replaced by RDPG (Heess et al., 2015).

    Old rows show what others' probes told while those probed otherwise: so few are kept, collecting
    goes on to the end, and the targets of early rounds follow faster than MADDPG's.

    Example:
        >>> config = (
        ...     MARDPGConfig()
        ...     .environment("grid", env_config={"case": "ieee13"})
        ...     .recurrence(num_rounds=2)
        ...     .stages(episodes=20_000)
        ... )
    """

    title = "MA-RDPG"
    settings = settings_of(FAMILY)
    update_class: ClassVar[type[Update]] = MARDPGUpdate
    can_fit = False
    collector_class: ClassVar[type[Collector]] = SequenceCollector

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class or MARDPG)

    def recurrence(self, **settings: Any) -> MARDPGConfig:
        """Set over what the networks recur: num_rounds, time_steps, memory_width.

        Returns:
            This configuration.
        """
        return self._take(settings)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row: next inputs are the next round's."""
        return tuple(name for name in super().columns if name != "next_inputs")

    @property
    def _recurs(self) -> bool:
        """Whether trajectories go on after the first time step's rounds."""
        return bool(self.time_steps > 1 or self.gamma > 0.0)

    def row_widths(self, spec: JointSpec, stage: int) -> dict[str, int]:
        """The width of each column of a row, which holds a whole trajectory, flat."""
        rounds = self.num_rounds * self.time_steps
        widths = {
            "inputs": (rounds + (self.gamma > 0.0)) * spec.input_dim(2),
            "action": rounds * spec.action_dim,
            "reward": self.time_steps * (spec.num_agents if self.rewards_by_agent else 1),
            "terminated": self.time_steps,
            "obs": self.time_steps * spec.obs_dim,
        }
        return {name: widths[name] for name in self.columns}

    def actor_network(self, spec: JointSpec, stage: int) -> Make:
        """The recurrent actors."""
        sizes = {"width": self.actor_width, "memory": self.memory_width}
        return partial(
            RecurrentActor, spec, self.num_rounds, recurs=self._recurs, kind=self.actor_net, **sizes
        )

    def _critics(self, spec: JointSpec) -> Make:
        sizes = {"width": self.critic_width, "rows": self.critic_rows, "memory": self.memory_width}
        return partial(
            RecurrentCritics,
            spec.num_agents if self.rewards_by_agent else 1,
            spec,
            self.num_rounds,
            recurs=self._recurs,
            kind=self.critic_net,
            **sizes,
        )

    def act_of(self, actor: Any) -> Act:
        """The actors, with a memory through the rounds of a trajectory."""
        return RecurrentAct(actor, self.num_rounds * self.time_steps)

    def actor_sample(self, inputs: Tensor) -> Tensor:
        """Trajectories (N, R width) by round, (R, N, width)."""
        width = inputs.shape[1] // (self.num_rounds * self.time_steps + (self.gamma > 0.0))
        return in_rounds(inputs, width)

    def check_environment(self, spec: JointSpec, has_probe: bool) -> None:
        """Refuse an environment without a probe where there are several rounds.

        Raises:
            ValueError: see there.
        """
        super().check_environment(spec, has_probe)
        if self.num_rounds > 1 and not has_probe:
            raise ValueError(
                f"num_rounds is {self.num_rounds}, but the environment has no probe(action): "
                "only one round per time step can be trained on it"
            )

    def make_controller(
        self, agent: Any, signature: dict[str, Any], actors: list[Any], index: int
    ) -> Any:
        """A recurrent controller, see `StagedConfig.make_controller`."""
        (actor,) = actors
        return RecurrentController(
            agent,
            signature,
            [kind_name(actor.kind)],
            [actor.agent_layers(index)],
            self.num_rounds,
        )


class MARDPG(StagedAlgorithm):
    """MADDPG through sequences; collects, validates, checkpoints and resumes as all others do."""

    config: MARDPGConfig

    @classmethod
    def get_default_config(cls) -> MARDPGConfig:
        """Two rounds per time step, with the defaults of the table of settings."""
        return MARDPGConfig()

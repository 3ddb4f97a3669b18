"""MADDPG in K stages: K = 1 is MADDPG, 2 is TS-MADDPG, more is multi-stage MADDPG.

After Lowe et al., "Multi-agent actor-critic for mixed cooperative-competitive environments" (2017),
and Algorithm 1 of Cho, Liu, Zhou and Chen, "Communication-Free Two-Stage Multi-Agent DDPG under
Partial States and Observations".
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from torch import nn

from policies.algorithms.fitted_update import FittedUpdate
from policies.algorithms.maddpg_update import CRITIC, MADDPGUpdate
from policies.algorithms.settings import MADDPG as FAMILY
from policies.algorithms.settings import settings_of
from policies.contract.joint_spec import JointSpec
from policies.learning.modules import Make
from policies.learning.update import Update
from policies.networks.critics import Critics
from policies.networks.fitted_critics import FittedCritics
from policies.networks.fitted_observations import FittedObservations
from policies.staged.algorithm import StagedAlgorithm
from policies.staged.config import StagedConfig


class MADDPGConfig(StagedConfig):
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

    title = "MADDPG"
    settings = settings_of(FAMILY)
    can_fit = True
    update_class: ClassVar[type[Update]] = MADDPGUpdate

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class or MADDPG)

    @property
    def chosen_update(self) -> type[Update]:
        """Fitted critics have an update of their own."""
        return FittedUpdate if self.critic_net == "fitted" else self.update_class

    @property
    def rewards_by_agent(self) -> bool:
        """With separate critics, each learns its own agent's reward."""
        return bool(self.critic == "separate")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row, see `MADDPGUpdate.step`."""
        columns = super().columns + (("obs",) if self.constraint == "lagrangian" else ())
        return (*columns, "next_inputs", "terminated") if self.gamma > 0.0 else columns

    def central_networks(self, spec: JointSpec | None) -> dict[str, Make]:
        """The critics: one, or one per agent."""
        return {CRITIC: self._critics(spec) if spec is not None else nn.Module}

    def observation_model(self, spec: JointSpec) -> Make:
        """Beside fitted critics it is fitted too."""
        if self.critic_net == "fitted":
            return partial(FittedObservations, spec)
        return super().observation_model(spec)

    def _critics(self, spec: JointSpec) -> Make:
        n = spec.num_agents if self.rewards_by_agent else 1
        if self.critic_net == "fitted":
            return partial(FittedCritics, n, spec, width=self.critic_width)
        sizes = {"width": self.critic_width, "rows": self.critic_rows}
        return partial(Critics, n, spec, kind=self.critic_net, **sizes)


class MADDPG(StagedAlgorithm):
    """MADDPG, TS-MADDPG and multi-stage MADDPG, by the number of stages."""

    config: MADDPGConfig

    @classmethod
    def get_default_config(cls) -> MADDPGConfig:
        """One stage, with the defaults of the table of settings."""
        return MADDPGConfig()

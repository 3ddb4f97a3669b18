"""What a runner has collected."""

from __future__ import annotations

from dataclasses import dataclass, field

from policies.staged.replay import Columns


@dataclass
class Rollout:
    """What a call of `MADDPGEnvRunner.rollout` collected."""

    columns: Columns
    returns: list[float] = field(default_factory=list)
    probes: int = 0

    @property
    def env_steps(self) -> int:
        """Steps in the rows."""
        return len(self.columns["action"])

"""What an algorithm is at heart: one update of the active stage from a minibatch of joint rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from policies.contract.joint_spec import JointSpec
from policies.learning.constraints import Lagrangian
from policies.learning.descent import Reduce


@dataclass
class StageNetworks:
    """What an update works on.

    Attributes:
        spec: Widths of the joint arrays.
        stage: The stage in training, counted from 1.
        actor: Its actors.
        target_actor: Their targets; None where the algorithm has none.
        central: By name, the networks that see everything.
        targets: Their targets, by the same names.
        optimizers: Of "actor" and of each central network.
        lagrangian: Where bounds on observations are to be held.
        updates: Of this stage, so far.
    """

    spec: JointSpec
    stage: int
    actor: nn.Module
    target_actor: nn.Module | None
    central: Mapping[str, nn.Module]
    targets: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    lagrangian: Lagrangian | None = None
    updates: int = 0


class Update(ABC):
    """One algorithm's update; its file reads in the order of its paper.

    It keeps nothing between steps but what lies in networks, optimizers and the number of updates:
    a training that is resumed makes it anew from these.

    Attributes:
        draws: Whether it uses the generator that `step` is given. What it draws depends on seed,
            stage, number of the update and learner alone, so that resumed trainings are the same.
        fits: Whether it has a `fit`.
    """

    draws: ClassVar[bool] = False
    fits: ClassVar[bool] = False

    @classmethod
    def of(cls, config: Any, networks: StageNetworks) -> Self:
        """The update of a stage; made of these two unless a subclass says otherwise.

        Args:
            config: the algorithm's configuration.
            networks: of the active stage.
        """
        return cls(config, networks)  # type: ignore[call-arg]

    @abstractmethod
    def step(
        self,
        batch: dict[str, Tensor],
        rng: torch.Generator | None = None,
        reduce: Reduce | None = None,
    ) -> dict[str, Tensor]:
        """Update all networks by one minibatch.

        Args:
            batch: The columns of the configuration's `row_widths`, (B, width) each.
            rng: For algorithms that draw.
            reduce: Averages gradients over several learners, in place.

        Returns:
            Losses and figures by name, detached scalars; "actor" and the names of central networks
            are their losses.
        """

    def fit(
        self, rows: dict[str, Tensor], near: Tensor, inputs: Tensor, rng: torch.Generator
    ) -> dict[str, float]:
        """Fit what is fitted on all rows at once; called before a `step` where `fits` is set.

        Every learner is given the same rows and the same generator, and comes to the same.

        Args:
            rows: `state` (N, S), `action` (N, A) and the other columns of rows but `inputs`: of
                the active stage, and of those before as far as they serve.
            near: (N,) bool, rows that were collected by the active stage's actors.
            inputs: (N', width) what the active stage's actors see, of its rows.
            rng: For fits that draw.

        Returns:
            Figures by name.
        """
        raise NotImplementedError(f"{type(self).__name__} fits nothing")

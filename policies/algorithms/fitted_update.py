"""MADDPG's update with critics that are fitted to all rows at once rather than descended.

The value of a joint action in a held state is near a quadratic of it (under LinDistFlow it is
one), which a fit on all rows finds at once and stochastic descent hardly at all where there are
some hundred unequal variables. What the quadratic leaves is learnt by a small network, and that is
kept only if it helps on rows that were held out. Actors and their targets move as in
`MADDPGUpdate`. Without discount alone: the reward is what the critic learns, in all stages alike.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from policies.algorithms import losses
from policies.algorithms.maddpg_update import CRITIC, MADDPGUpdate
from policies.learning.affine_start import affine_start
from policies.learning.descent import Reduce
from policies.learning.observation_fit import fit_observations
from policies.learning.quadratic_fit import Fit, fit_quadratic, held_out
from policies.learning.schedule import cosine_decay, of_stage
from policies.learning.update import StageNetworks

EXACT = 1e-4  # error, relative to the spread of rewards, below which nothing is left to learn
REST_STEPS = 1_000  # of the network for the rest, at each fit
STARTED_FROM = 20_000  # rows at most that the first actors are fitted to
REST_ROWS = 512  # of a step
HELPS = 0.9  # factor on the held-out error from which the network for the rest is kept
STILL = 1e-5  # error on new rows up to which the fit before is kept
OLD = (1.0, 0.02)  # what rows far from the actors may count, beside 1 for those around them


class FittedUpdate(MADDPGUpdate):
    """MADDPG's update with fitted critics."""

    fits = True
    rest_rate = 3e-3

    @classmethod
    def of(cls, config: Any, networks: StageNetworks) -> Self:
        """The update of a stage, see `Update.of`."""
        made = super().of(config, networks)
        made.rest_rate = of_stage(config.critic_lr, networks.stage)
        return made

    def learn_critics(self, batch: dict[str, Tensor], reduce: Reduce | None) -> dict[str, Tensor]:
        """Their error on the minibatch; what they learn they learn in `fit`."""
        with torch.no_grad():
            error = losses.critic_loss(self.replayed_values(batch), self.targets(batch))
        return {CRITIC: error}

    @torch.no_grad()
    def fit(
        self, rows: dict[str, Tensor], near: Tensor, inputs: Tensor, rng: torch.Generator
    ) -> dict[str, float]:
        """Fit the critics to all rows.

        Args:
            rows: `state` (N, S), `action` (N, A) as carried out, `reward` (N, n).
            near: (N,) bool, rows from around the actors as they are.
            inputs: (N', width) what the active stage's actors see.
            rng: draws rows for the network of the rest.

        Returns:
            The error on held-out rows relative to their spread, of the quadratic alone and of the
            whole.
        """
        z, y = torch.cat([rows["state"], rows["action"]], 1), rows["reward"].t()
        critic = self.critic
        fit, weight = self._kept(z, y) or self._fitted(z, y, near)
        critic.take(fit.quadratic)
        if self.lagrangian is not None:
            self.lagrangian.take(fit_observations(z, rows["obs"], weight))
        error = float(fit.error.square().mean().sqrt())
        figures = {"fit_iterations": float(fit.iterations), "quadratic_error": error}
        if error > EXACT:
            error *= self._learn_rest(z, y - fit.quadratic.of_rows(z).to(y.dtype), weight, rng)
        else:
            critic.size.zero_()
        if self.updates == 0 and critic.n == 1 and self.actor.has_affine:
            figures["start_iterations"] = float(self._start(inputs))
        return {**figures, "fit_error": error, "exact": error <= EXACT}

    def _start(self, inputs: Tensor) -> int:
        """Begin with the best affine actors."""
        inputs = inputs[-STARTED_FROM:]
        s, quadratic = self.actor.spec.state_dim, self.critic.quadratic
        z = torch.cat([inputs[:, :s], self.actor(inputs)], 1) - quadratic.mean
        slope = quadratic.linear[0, s:] + 2.0 * z @ quadratic.matrix[0, :, s:]
        return affine_start(self.actor, inputs, slope, 2.0 * quadratic.matrix[0, s:, s:])

    def _kept(self, z: Tensor, y: Tensor) -> tuple[Fit, Tensor] | None:
        """The fit before, such as that of the stage before, where it is exact on all rows."""
        known = self.critic.quadratic
        left = (y - known.of_rows(z)).double()
        error = left.square().mean(1).sqrt() / y.double().std(1)
        if not bool((error < STILL).all()):
            return None
        return Fit(known, error, 0, z.shape[1]), torch.ones_like(z[:, 0])

    def _fitted(self, z: Tensor, y: Tensor, near: Tensor) -> tuple[Fit, Tensor]:
        """The fit whose rows count what serves the held-out rows near the actors best."""
        aside = held_out(len(z), z.device) & near
        best = None
        for old in OLD if bool(near.any()) else OLD[:1]:
            weight = torch.where(near, 1.0, old) if bool(near.any()) else torch.ones_like(z[:, 0])
            fit = fit_quadratic(z, y, weight)
            judged = aside if bool(aside.any()) else held_out(len(z), z.device)
            left = y[:, judged].double() - fit.quadratic.of_rows(z[judged])
            error = float(left.square().mean())
            if best is None or error < best[0]:
                best = (error, fit, weight)
            if float(fit.error.max()) < EXACT:
                break
        assert best is not None
        return best[1], best[2]

    def _learn_rest(self, z: Tensor, left: Tensor, weight: Tensor, rng: torch.Generator) -> float:
        """Train f on what the quadratic leaves; the factor on the error that it wins."""
        critic, aside = self.critic, held_out(len(z), z.device)
        share = weight / weight.sum()
        scale = ((z - critic.mean).square() * share[:, None]).sum(0).sqrt()
        critic.scale.copy_(torch.where(scale > 1e-5 * scale.max(), 1.0 / scale, 0.0))
        size = (left.square() @ share).sqrt()
        judged = left[:, aside] / size[:, None]
        counts = weight[aside] / weight[aside].sum()
        drawn = torch.where(aside, 0.0, weight)
        rate = self.rest_rate
        self.critic_optimizer.state.clear()
        for step in range(REST_STEPS):
            rows = torch.multinomial(drawn, REST_ROWS, replacement=True, generator=rng)
            for group in self.critic_optimizer.param_groups:
                group["lr"] = rate * cosine_decay(step / REST_STEPS)
            with torch.enable_grad():
                wrong = critic.bend(z[rows][None]) - left[:, rows] / size[:, None]
                self._critic.descend(wrong.square().mean(1).sum())
        before = float((judged.square() @ counts).sum())
        after = float(((critic.bend(z[aside][None]) - judged).square() @ counts).sum())
        won = (after / before) ** 0.5
        critic.size.copy_(size if won < HELPS else torch.zeros_like(size))
        return won if won < HELPS else 1.0

"""MADDPG's update as a plain eager loop over agents: the yardstick of `bench`.

One `nn.Linear` after another, one optimizer per agent, as most implementations are written. It
does the same arithmetic as `policies.algorithms.maddpg_update.MADDPGUpdate` with critics that
descend.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from policies.algorithms.maddpg_update import MADDPGUpdate
from policies.contract.joint_spec import JointSpec
from policies.networks.action_limits import ProjectedClip


class PlainActor(nn.Module):
    """One agent's actor, with the weights that it has in a team.

    Args:
        team: gives the weights.
        agent: index of the agent.
    """

    def __init__(self, team: MADDPGUpdate, agent: int) -> None:
        super().__init__()
        weights = team.actor.agent_layers(agent)
        self.columns = torch.from_numpy(team.actor.spec.actor_inputs(team.actor.stage)[agent])
        self.input_map = torch.from_numpy(weights["inputs.weight"])
        self.input_shift = torch.from_numpy(weights["inputs.bias"])
        self.first = _linear(weights["first.weight"], weights["first.bias"])
        self.second = _linear(weights["second.weight"], weights["second.bias"])
        self.last = _linear(weights["last.weight"], weights["last.bias"])
        self.skip = _linear(weights["skip.weight"], None)

    def forward(self, inputs: Tensor, prototype: Tensor | None) -> Tensor:
        """The agent's action (B, a_i) from the joint inputs, of which it takes its own."""
        x = inputs[:, self.columns] @ self.input_map + self.input_shift
        y = self.last(F.silu(self.second(F.silu(self.first(x))))) + self.skip(x)
        if prototype is not None:
            y = y + prototype
        action: Tensor = ProjectedClip.apply(y)  # type: ignore[no-untyped-call]
        return action


class PlainCritic(nn.Module):
    """The shared quadratic-residual critic, with the weights it has in a team."""

    def __init__(self, team: MADDPGUpdate) -> None:
        super().__init__()
        critic = team.critic
        self.quadratic, self.first, self.second, self.last = (
            _linear(layer.weight[0].detach(), layer.bias[0, 0].detach())
            for layer in (critic.quadratic, critic.first, critic.second, critic.last)
        )

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """Values (B,)."""
        z = torch.cat([state, action], 1)
        h: Tensor = self.last(F.silu(self.second(F.silu(self.first(z)))))
        quadratic: Tensor = self.quadratic(z)
        return h[:, 0] - quadratic.square().sum(1)


class PlainLoop:
    """The same updates as `MADDPGUpdate.step` at gamma = 0 with a shared critic and a joint step.

    Args:
        team: whose weights to begin with; not touched.
        rates: learning rates of actors and critic.
        tau: step of the target actors.
    """

    def __init__(self, team: MADDPGUpdate, rates: tuple[float, float], tau: float) -> None:
        self.spec: JointSpec = team.actor.spec
        self.stage, self.tau, self.updates = team.actor.stage, tau, team.updates
        agents = range(self.spec.num_agents)
        self.actors = [PlainActor(team, agent) for agent in agents]
        self.targets = [PlainActor(team, agent) for agent in agents]
        self.critic = PlainCritic(team)
        self.actor_optimizers = [torch.optim.Adam(a.parameters(), lr=rates[0]) for a in self.actors]
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=rates[1])

    def update(self, batch: dict[str, Tensor]) -> None:
        """Update critic, actors and target actors by one minibatch (see `MADDPGUpdate.step`)."""
        inputs, reward = batch["inputs"], batch["reward"][:, 0]
        state = inputs[:, : self.spec.state_dim]
        loss = F.mse_loss(self.critic(state, batch["action"]), reward)
        self.critic_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.critic_optimizer.step()

        actions, start = [], self.spec.state_dim
        for actor, width in zip(self.actors, self.spec.action_dims, strict=True):
            prototype = inputs[:, start : start + width] if self.stage > 1 else None
            actions.append(actor(inputs, prototype))
            start += width
        actor_loss = -self.critic(state, torch.cat(actions, 1)).mean()
        for optimizer in self.actor_optimizers:
            optimizer.zero_grad()
        actor_loss.backward()
        for optimizer in self.actor_optimizers:
            optimizer.step()

        self.updates += 1
        tau = max(self.tau, 1.0 / (self.updates + 1))
        with torch.no_grad():
            for target, actor in zip(self.targets, self.actors, strict=True):
                for old, new in zip(target.parameters(), actor.parameters(), strict=True):
                    old.mul_(1.0 - tau).add_(new, alpha=tau)


def _linear(weight: object, bias: object | None) -> nn.Linear:
    """An `nn.Linear` from a weight of shape (fan_in, fan_out)."""
    w = torch.as_tensor(weight)
    layer = nn.Linear(w.shape[0], w.shape[1], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(w.t())
        if bias is not None:
            layer.bias.copy_(torch.as_tensor(bias))
    return layer

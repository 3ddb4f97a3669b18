"""The decentralised recurrent actors of a team, stacked.

Sequences run over the rounds of a trajectory: T time steps of L rounds. Arrays of the whole team
are (rounds, B, width); inside, members of a stack come first: (n, rounds, B, width).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from policies.contract.joint_spec import JointSpec
from policies.networks.recurrent_layers import SlotLinear, StackedGRU, at_slots, in_rounds, slot
from policies.networks.stacked import StackedLayerNorm, StackedLinear
from policies.networks.team import Team, arrays
from policies.networks.whitening import whitening


class RecurrentActor(Team):
    """The decentralised recurrent actors: each agent acts on what it has seen itself.

    In every round an agent is shown (s_i, its last action, its last observation), zeros in place
    of what there was not yet, and has its own hidden state. An encoder feeds a GRU; the action
    is taken from both.

    "paper": layer norm and ReLU behind encoder and second layer, tanh behind the last; one
    encoder for all rounds. "plain": SiLU beside a linear map, clipped to [-1, 1]; encoder and
    linear map have their own weights for each slot of the clock, as what agents see in the first
    round differs from what they see later; inputs may be whitened per slot; and from the second
    round of a time step on the output is added to the own last action.

    Args:
        spec: widths of the joint arrays.
        num_rounds: L, rounds per time step.
        recurs: whether trajectories go on after the first L rounds.
        kind: "paper" or "plain".
        width: units of each hidden layer.
        memory: width of the hidden state.
    """

    def __init__(
        self, spec: JointSpec, num_rounds: int, *, recurs: bool, kind: str, width: int, memory: int
    ) -> None:
        super().__init__(spec, 2, kind)
        m, fan_in, fan_out = spec.num_agents, self.fan_in, self.fan_out
        self.num_rounds = num_rounds
        self.num_slots = num_rounds + recurs if kind == "plain" else 1
        self.input_shift: Tensor
        self.input_map: Tensor
        # A fixed affine map per slot, identity until `fit_inputs` takes it from data.
        self.register_buffer("input_shift", torch.zeros(m * self.num_slots, 1, fan_in))
        self.register_buffer("input_map", torch.eye(fan_in).repeat(m * self.num_slots, 1, 1))
        self.first = SlotLinear(m, self.num_slots, fan_in, width)
        self.gru = StackedGRU(m, width, memory)
        self.last = StackedLinear(m, width, fan_out)
        if kind == "paper":
            self.second = StackedLinear(m, memory, width)
            self.norm1, self.norm2 = StackedLayerNorm(m, width), StackedLayerNorm(m, width)
        else:
            self.second = StackedLinear(m, width + memory, width)
            self.skip = nn.Parameter(torch.zeros(m * self.num_slots, fan_in, fan_out))
            with torch.no_grad():
                self.last.weight.mul_(0.1)
                self.last.bias.mul_(0.1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Joint actions of a trajectory, from its first round on.

        Args:
            inputs: (rounds, B, S + A + O), [s | last a | last o] of every round.

        Returns:
            (rounds, B, A) in [-1, 1].
        """
        return self.steps(inputs, 0, None)[0]

    def of_rows(self, rows: Tensor) -> Tensor:
        """The same of flat rows: (B, rounds * (S + A + O)) -> (B, rounds * A)."""
        action: Tensor = self(in_rounds(rows, self.spec.input_dim(2)))
        return action.transpose(0, 1).flatten(1)

    def steps(self, inputs: Tensor, start: int, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """Joint actions of rounds in the middle of a trajectory.

        Args:
            inputs: (rounds, B, S + A + O).
            start: the number of the first of them, counted from 0.
            hidden: (m, B, memory) before it; zero if None.

        Returns:
            Actions (rounds, B, A), and the hidden state (m, B, memory) after the last.
        """
        rounds, batch, _ = inputs.shape
        m = self.spec.num_agents
        clock = range(start, start + rounds)
        slots = tuple(slot(r, self.num_rounds) for r in clock)
        x = self.gather(inputs).contiguous()
        if self.kind == "paper":
            x = torch.baddbmm(self.input_shift, x.flatten(1, 2), self.input_map)
            e = self.first(x.view(m, rounds, batch, -1), slots).flatten(1, 2)
            e = F.relu(self.norm1(e)).view(m, rounds, batch, -1)
            h = self.gru(e, hidden)
            z = F.relu(self.norm2(self.second(h.flatten(1, 2))))
            y = torch.tanh(self.joined(self.last(z)))
            return self.within(y).view(rounds, batch, -1), h[:, -1]
        shift, linear = self.input_shift, self.input_map
        skip: Tensor = self.skip
        if slots != tuple(range(self.num_slots)):
            shift, linear, skip = (at_slots(stacked, m, slots) for stacked in (shift, linear, skip))
        x = torch.baddbmm(shift, x.flatten(0, 1), linear)  # (m * rounds, B, fan_in)
        e = F.silu(self.first(x.view(m, rounds, batch, -1), slots))
        h = self.gru(e, hidden)
        z = F.silu(self.second(torch.cat([e, h], -1).flatten(1, 2)))
        y = self.last(z) + torch.bmm(x, skip).view(m, rounds * batch, -1)
        action = self.joined(y).view(rounds, batch, -1)
        if any(r % self.num_rounds for r in clock):
            a = self.spec.state_dim
            own = inputs[..., a : a + self.spec.action_dim]
            kept = [float(r % self.num_rounds > 0) for r in clock]
            action = action + own * own.new_tensor(kept)[:, None, None]
        return self.clipped(action.flatten(0, 1)).view_as(action), h[:, -1]

    @torch.no_grad()
    def fit_inputs(self, inputs: Tensor, floor: float) -> None:
        """Whiten each agent's inputs at each slot, see `networks.actors.TeamActor.fit_inputs`.

        The paper's actor takes one map for all rounds.

        Args:
            inputs: a sample of trajectories (rounds, N, S + A + O).
            floor: see `whitening`.
        """
        x = self.gather(inputs).double()  # (m, rounds, N, fan_in)
        m, rounds = x.shape[:2]
        places = [slot(r, self.num_rounds) if self.num_slots > 1 else 0 for r in range(rounds)]
        for place in sorted(set(places)):
            sample = x[:, [r for r in range(rounds) if places[r] == place]].flatten(1, 2)
            linear, shift = whitening(sample, floor)
            members = [i * self.num_slots + place for i in range(m)]
            self.input_map[members] = linear.to(self.input_map.dtype)
            self.input_shift[members] = shift.to(self.input_shift.dtype)

    def agent_layers(self, agent: int) -> dict[str, NDArray[np.float32]]:
        """One agent's actor on its own, without padding: name -> array.

        As `actors.TeamActor.agent_layers`; `inputs`, `first` and `skip` have a leading axis
        of slots, `gru.input` and `gru.hidden` hold the gates (reset, update, new).
        """
        n_in, n_out = self.input_dims[agent], self.spec.action_dims[agent]
        own = slice(agent * self.num_slots, (agent + 1) * self.num_slots)
        layers = {
            "inputs.weight": self.input_map[own, :n_in],
            "inputs.bias": self.input_shift[own, 0],
            "first.weight": self.first.maps.weight[own],
            "first.bias": self.first.maps.bias[own, 0],
            "gru.input.weight": self.gru.input.weight[agent],
            "gru.input.bias": self.gru.input.bias[agent, 0],
            "gru.hidden.weight": self.gru.hidden.weight[agent],
            "gru.hidden.bias": self.gru.hidden.bias[agent, 0],
            "second.weight": self.second.weight[agent],
            "second.bias": self.second.bias[agent, 0],
            "last.weight": self.last.weight[agent, :, :n_out],
            "last.bias": self.last.bias[agent, 0, :n_out],
        }
        if self.kind == "paper":
            for name, norm in (("norm1", self.norm1), ("norm2", self.norm2)):
                layers[f"{name}.weight"] = norm.weight[agent, 0]
                layers[f"{name}.bias"] = norm.bias[agent, 0]
        else:
            layers["skip.weight"] = self.skip[own, :, :n_out]
        return arrays(layers)

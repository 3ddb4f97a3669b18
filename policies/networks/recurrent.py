"""Recurrent actors and critics of MA-RDPG, stacked like those of `networks`.

Sequences run over the rounds of a trajectory: T time steps of L rounds. Arrays of the whole team
are (rounds, B, width); inside, members of a stack come first: (n, rounds, B, width).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from policies.contract.joint_spec import JointSpec
from policies.networks.recurrent_layers import SlotLinear, StackedGRU, at_slots, slot
from policies.networks.team import (
    ACTORS,
    ProjectedClip,
    StackedLayerNorm,
    StackedLinear,
    whitening,
)

RECURRENT_CRITICS = ("paper", "quadratic-residual")


class RecurrentActor(nn.Module):
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
        super().__init__()
        if kind not in ACTORS:
            raise ValueError(f"actor net is {kind!r}, must be one of {', '.join(ACTORS)}")
        inputs = spec.actor_inputs(2)
        m, fan_in, fan_out = spec.num_agents, max(map(len, inputs)), max(spec.action_dims)
        columns = np.zeros((m, fan_in), np.int64)
        mask = np.zeros((m, 1, 1, fan_in), np.float32)
        for i, own in enumerate(inputs):
            columns[i, : len(own)] = own
            mask[i, ..., : len(own)] = 1.0
        outputs = [i * fan_out + np.arange(dim) for i, dim in enumerate(spec.action_dims)]
        self.spec, self.num_rounds, self.kind = spec, num_rounds, kind
        self.input_dims = tuple(map(len, inputs))
        self.num_slots = num_rounds + recurs if kind == "plain" else 1
        self._padded_in = not mask.all()
        self._padded_out = fan_out * m != spec.action_dim
        self._columns: Tensor
        self._mask: Tensor
        self._outputs: Tensor
        self.input_shift: Tensor
        self.input_map: Tensor
        self.register_buffer("_columns", torch.from_numpy(columns.reshape(-1)), persistent=False)
        self.register_buffer("_mask", torch.from_numpy(mask), persistent=False)
        self.register_buffer(
            "_outputs", torch.from_numpy(np.concatenate(outputs)), persistent=False
        )
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
        x = self.gather(inputs)
        if self.kind == "paper":
            x = torch.baddbmm(self.input_shift, x.flatten(1, 2), self.input_map)
            e = self.first(x.view(m, rounds, batch, -1), slots).flatten(1, 2)
            e = F.relu(self.norm1(e)).view(m, rounds, batch, -1)
            h = self.gru(e, hidden)
            z = F.relu(self.norm2(self.second(h.flatten(1, 2))))
            return torch.tanh(self._joint(self.last(z), rounds)), h[:, -1]
        shift, linear = self.input_shift, self.input_map
        skip: Tensor = self.skip
        if slots != tuple(range(self.num_slots)):
            shift, linear, skip = (at_slots(stacked, m, slots) for stacked in (shift, linear, skip))
        x = torch.baddbmm(shift, x.flatten(0, 1), linear)  # (m * rounds, B, fan_in)
        e = F.silu(self.first(x.view(m, rounds, batch, -1), slots))
        h = self.gru(e, hidden)
        z = F.silu(self.second(torch.cat([e, h], -1).flatten(1, 2)))
        y = self.last(z) + torch.bmm(x, skip).view(m, rounds * batch, -1)
        action = self._joint(y, rounds)
        if any(r % self.num_rounds for r in clock):
            a = self.spec.state_dim
            own = inputs[..., a : a + self.spec.action_dim]
            kept = [float(r % self.num_rounds > 0) for r in clock]
            action = action + own * own.new_tensor(kept)[:, None, None]
        clipped: Tensor = ProjectedClip.apply(action)  # type: ignore[no-untyped-call]
        return clipped, h[:, -1]

    def gather(self, inputs: Tensor) -> Tensor:
        """Each agent's own inputs, padded: (rounds, B, width) -> (m, rounds, B, fan_in)."""
        m, _, _, fan_in = self._mask.shape
        x = inputs.index_select(2, self._columns).view(*inputs.shape[:2], m, fan_in)
        x = x.permute(2, 0, 1, 3)
        return x * self._mask if self._padded_in else x.contiguous()

    def _joint(self, y: Tensor, rounds: int) -> Tensor:
        """(m, rounds * B, fan_out) -> (rounds, B, A), without the padding."""
        y = y.transpose(0, 1).flatten(1)
        y = y.index_select(1, self._outputs) if self._padded_out else y
        return y.view(rounds, -1, y.shape[1])

    @torch.no_grad()
    def fit_inputs(self, inputs: Tensor, floor: float) -> None:
        """Whiten each agent's inputs at each slot, see `networks.TeamActor.fit_inputs`.

        The paper's actor takes one map for all rounds.

        Args:
            inputs: a sample of trajectories (rounds, N, S + A + O).
            floor: see `networks.whitening`.
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

    def with_weights(self, weights: Mapping[str, Any]) -> RecurrentActor:
        """A copy of this team with other weights, by parameter and buffer name."""
        other = copy.deepcopy(self)
        other.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
        return other

    def agent_layers(self, agent: int) -> dict[str, NDArray[np.float32]]:
        """One agent's actor on its own, without padding: name -> array.

        As `networks.TeamActor.agent_layers`; `inputs`, `first` and `skip` have a leading axis
        of slots, `gru.input` and `gru.hidden` hold the gates (reset, update, new).
        """
        n_in, n_out = self.input_dims[agent], self.spec.action_dims[agent]
        own = slice(agent * self.num_slots, (agent + 1) * self.num_slots)
        arrays = {
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
                arrays[f"{name}.weight"] = norm.weight[agent, 0]
                arrays[f"{name}.bias"] = norm.bias[agent, 0]
        else:
            arrays["skip.weight"] = self.skip[own, :, :n_out]
        return {name: np.ascontiguousarray(a.detach().cpu().numpy()) for name, a in arrays.items()}


class RecurrentCritics(nn.Module):
    """Centralised recurrent critics Q(history, a) over what all agents have seen and done.

    A GRU over (joint s, last joint a, last joint o) is the memory; the joint action enters
    behind it. "paper": layer norm and ReLU, one network for all rounds. "quadratic-residual":
    -|W z + b|^2 + f(z, memory) with z = (s, a) as in `networks.Critics`, W and f with their own
    weights for each slot of the clock: the value of the rewarded round is another function than
    that of a round that only probes.

    Args:
        n: number of critics: 1 (shared) or one per agent.
        spec: widths of the joint arrays.
        num_rounds: L, rounds per time step.
        recurs: whether trajectories go on after the first L rounds.
        kind: "paper" or "quadratic-residual".
        width: units of each hidden layer.
        memory: width of the hidden state.
        rows: rows of W.
    """

    def __init__(
        self,
        n: int,
        spec: JointSpec,
        num_rounds: int,
        *,
        recurs: bool,
        kind: str,
        width: int,
        memory: int,
        rows: int = 48,
    ) -> None:
        super().__init__()
        if kind not in RECURRENT_CRITICS:
            raise ValueError(
                f"critic net is {kind!r}, must be one of {', '.join(RECURRENT_CRITICS)}"
            )
        s, a = spec.state_dim, spec.action_dim
        self.n, self.spec, self.num_rounds, self.kind = n, spec, num_rounds, kind
        slots = 1 if kind == "paper" else num_rounds + recurs
        self.encoder = StackedLinear(n, spec.input_dim(2), width)
        self.gru = StackedGRU(n, width, memory)
        if kind == "paper":
            self.second = SlotLinear(n, slots, memory + a, width)
            self.norm1, self.norm2 = StackedLayerNorm(n, width), StackedLayerNorm(n, width)
        else:
            self.quadratic = SlotLinear(n, slots, s + a, rows)
            self.first = SlotLinear(n, slots, s + a + memory, width)
            self.second = SlotLinear(n, slots, width, width)
        self.last = SlotLinear(n, slots, width, 1)

    def remember(self, inputs: Tensor) -> Tensor:
        """The memory of every round.

        Args:
            inputs: (rounds, B, S + A + O), from the first round of the trajectory on.

        Returns:
            (n, rounds, B, memory).
        """
        rounds, batch, _ = inputs.shape
        e = self.encoder(inputs.flatten(0, 1).expand(self.n, -1, -1))
        e = F.relu(self.norm1(e)) if self.kind == "paper" else F.silu(e)
        memory: Tensor = self.gru(e.view(self.n, rounds, batch, -1))
        return memory

    def forward(self, inputs: Tensor, memory: Tensor, action: Tensor, start: int = 0) -> Tensor:
        """Values of joint actions.

        Args:
            inputs: (rounds, B, S + A + O).
            memory: (n, rounds, B, memory), of `remember`.
            action: (E, rounds, B, A): with several critics E must equal n, action e going to
                critic e; a single critic takes any E.
            start: the number of the first of these rounds, counted from 0.

        Returns:
            (E, rounds, B).
        """
        e, rounds, batch, _ = action.shape
        if self.n == 1 and e > 1:  # one critic for all: the sets of actions join the batch
            wide = action.transpose(0, 1).reshape(1, rounds, e * batch, -1)
            value: Tensor = self(inputs.repeat(1, e, 1), memory.repeat(1, 1, e, 1), wide, start)
            return value.view(rounds, e, batch).transpose(0, 1)
        slots = tuple(slot(r, self.num_rounds) for r in range(start, start + rounds))
        if self.kind == "paper":
            h = self.second(torch.cat([memory, action], -1), slots)
            h = F.relu(self.norm2(h.flatten(1, 2))).view_as(h)
            score: Tensor = self.last(h, slots).squeeze(-1)
            return score
        state = inputs[..., : self.spec.state_dim].expand(e, -1, -1, -1)
        z = torch.cat([state, action], -1)
        h = F.silu(self.first(torch.cat([z, memory], -1), slots))
        residual: Tensor = self.last(F.silu(self.second(h, slots)), slots).squeeze(-1)
        quadratic: Tensor = self.quadratic(z, slots).square().sum(-1)
        return residual - quadratic

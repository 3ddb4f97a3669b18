"""Centralised recurrent critics: a memory of what all agents have seen and done.

Sequences run over the rounds of a trajectory, T time steps of L rounds; arrays are
(n, rounds, B, width), members of a stack first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from policies.contract.joint_spec import JointSpec
from policies.networks.recurrent_layers import SlotLinear, StackedGRU, in_rounds, slot
from policies.networks.stacked import StackedLayerNorm, StackedLinear

RECURRENT_CRITICS = ("paper", "quadratic-residual")


class RecurrentCritics(nn.Module):
    """Centralised recurrent critics Q(history, a) over what all agents have seen and done.

    A GRU over (joint s, last joint a, last joint o) is the memory; the joint action enters
    behind it. "paper": layer norm and ReLU, one network for all rounds. "quadratic-residual":
    -|W z + b|^2 + f(z, memory) with z = (s, a) as in `critics.Critics`, W and f with their own
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

    def of_rows(self, rows: Tensor, action: Tensor) -> Tensor:
        """The same of flat rows.

        Args:
            rows: (B, rounds * (S + A + O)).
            action: (E, B, rounds * A).

        Returns:
            (E, B, rounds).
        """
        inputs = in_rounds(rows, self.spec.input_dim(2))
        judged = action.view(*action.shape[:2], len(inputs), -1).transpose(1, 2)
        value: Tensor = self(inputs, self.remember(inputs), judged)
        return value.transpose(1, 2)

"""What recurrent networks are made of: a clock of rounds, maps by its slots, and a stacked GRU.

Members of a stack come first, then rounds: (n, rounds, B, width).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from policies.networks.stacked import StackedLinear


def slot(round_: int, num_rounds: int) -> int:
    """The place of a round on the clock that all agents share.

    Args:
        round_: counted from 0 at the start of the trajectory.
        num_rounds: L, rounds per time step.

    Returns:
        0 .. L - 1 for the rounds of the first time step and for the same rounds of later ones;
        L for the first round of a later time step, which follows a rewarded round.
    """
    return round_ if round_ < num_rounds else round_ % num_rounds or num_rounds


def in_rounds(flat: Tensor, width: int) -> Tensor:
    """Rows that hold trajectories, round by round: (B, rounds * width) -> (rounds, B, width)."""
    return flat.reshape(len(flat), -1, width).transpose(0, 1)


class StackedGRU(nn.Module):
    """n gated recurrent units side by side (Cho et al., 2014; gates as in `nn.GRU`)."""

    def __init__(self, n: int, fan_in: int, width: int) -> None:
        super().__init__()
        self.input = StackedLinear(n, fan_in, 3 * width)
        self.hidden = StackedLinear(n, width, 3 * width)
        self.width = width

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """The hidden states of a sequence.

        Args:
            x: (n, rounds, B, fan_in).
            hidden: (n, B, width) before the first round; zero if None.

        Returns:
            (n, rounds, B, width).
        """
        n, rounds, batch, _ = x.shape
        if hidden is None and rounds == 1:  # so that no parameter is without a gradient
            hidden = x.new_zeros(n, batch, self.width)
        ahead = self.input(x.flatten(1, 2)).view(n, rounds, batch, -1)
        parts = [2 * self.width, self.width]  # reset and update gates, new state
        states = []
        for given in ahead.unbind(1):
            recalled = self.hidden.bias if hidden is None else self.hidden(hidden)
            (gates, fresh), (more, kept) = given.split(parts, -1), recalled.split(parts, -1)
            reset, update = torch.sigmoid(gates + more).chunk(2, -1)
            new = torch.tanh(torch.addcmul(fresh, reset, kept))
            hidden = new - update * new if hidden is None else torch.lerp(new, hidden, update)
            states.append(hidden)
        return torch.stack(states, 1)


class SlotLinear(nn.Module):
    """Affine maps of n members, one for each slot of the clock or one for all rounds.

    Args:
        n: members.
        slots: places on the clock with maps of their own; 1 shares one map among all rounds.
        fan_in: width of the input.
        fan_out: width of the output.
    """

    def __init__(self, n: int, slots: int, fan_in: int, fan_out: int) -> None:
        super().__init__()
        self.n, self.slots = n, slots
        self.maps = StackedLinear(n * slots, fan_in, fan_out)

    def forward(self, x: Tensor, slots: tuple[int, ...]) -> Tensor:
        """(n, rounds, B, fan_in) -> (n, rounds, B, fan_out), the rounds being at `slots`."""
        n, rounds, batch, _ = x.shape
        if self.slots == 1:
            y: Tensor = self.maps(x.flatten(1, 2))
        elif slots == tuple(range(self.slots)):
            y = self.maps(x.flatten(0, 1))
        else:
            weight = at_slots(self.maps.weight, self.n, slots)
            y = torch.baddbmm(at_slots(self.maps.bias, self.n, slots), x.flatten(0, 1), weight)
        return y.view(n, rounds, batch, -1)


def at_slots(stacked: Tensor, n: int, slots: tuple[int, ...]) -> Tensor:
    """(n * all slots, ...) -> (n * len(slots), ...), member by member."""
    return stacked.view(n, -1, *stacked.shape[1:])[:, list(slots)].flatten(0, 1)

"""Slots of the clock, maps by slot, and the GRU against torch's."""

from __future__ import annotations

import torch

from policies.networks.recurrent_layers import SlotLinear, StackedGRU, at_slots, in_rounds, slot


def test_slots_of_the_clock():
    assert [slot(r, 3) for r in range(8)] == [0, 1, 2, 3, 1, 2, 3, 1]
    assert [slot(r, 1) for r in range(4)] == [0, 1, 1, 1]


def test_rounds_of_flat_rows():
    flat = torch.arange(12.0).view(2, 6)  # two trajectories of three rounds
    assert in_rounds(flat, 2).tolist() == [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]


def test_the_gru_is_torchs():
    ours, given = StackedGRU(2, 4, 3), torch.randn(2, 5, 7, 4)
    start = torch.randn(2, 7, 3)
    for begin in (None, start):
        found = ours(given, begin)
        for i in range(2):
            theirs = torch.nn.GRU(4, 3)
            with torch.no_grad():
                theirs.weight_ih_l0.copy_(ours.input.weight[i].t())
                theirs.bias_ih_l0.copy_(ours.input.bias[i, 0])
                theirs.weight_hh_l0.copy_(ours.hidden.weight[i].t())
                theirs.bias_hh_l0.copy_(ours.hidden.bias[i, 0])
            expected, _ = theirs(given[i], None if begin is None else begin[i : i + 1])
            torch.testing.assert_close(found[i], expected)


def test_every_slot_has_its_own_map():
    maps = SlotLinear(2, 3, 4, 5)
    x = torch.randn(2, 4, 6, 4)
    found = maps(x, (0, 1, 2, 1))
    for i in range(2):
        for r, place in enumerate((0, 1, 2, 1)):
            weight, bias = maps.maps.weight[3 * i + place], maps.maps.bias[3 * i + place]
            torch.testing.assert_close(found[i, r], x[i, r] @ weight + bias)
    torch.testing.assert_close(maps(x[:, :3], (0, 1, 2)), found[:, :3])


def test_one_map_for_all_rounds_where_there_is_one_slot():
    maps = SlotLinear(2, 1, 4, 5)
    x = torch.randn(2, 3, 6, 4)
    found = maps(x, (0, 1, 2))
    for i in range(2):
        for r in range(3):
            expected = x[i, r] @ maps.maps.weight[i] + maps.maps.bias[i]
            torch.testing.assert_close(found[i, r], expected)


def test_members_keep_their_own_slots():
    stacked = torch.arange(6.0)[:, None]  # two members of three slots
    assert at_slots(stacked, 2, (2, 0, 0, 1))[:, 0].tolist() == [2, 0, 0, 1, 5, 3, 3, 4]

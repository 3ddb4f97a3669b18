"""Recurrent actors: what an agent may see, its memory, the clock, whitening, circles."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from random_networks import SPEC, WIDTH, L, recurrent_actor, sequence

from policies.contract.action_circles import scale_back
from policies.controllers.recurrent import RecurrentController, kind_name
from policies.networks.recurrent_layers import slot
from policies.networks.team import ACTORS


@pytest.mark.parametrize("kind", ACTORS)
def test_an_agent_acts_on_what_it_has_seen_itself(kind):
    """The Jacobian of its actions holds its own inputs of this and earlier rounds alone."""
    made = recurrent_actor(kind)
    jacobian = torch.autograd.functional.jacobian(made, sequence(batch=1))
    # (rounds, 1, A, rounds, 1, inputs): what an action owes to an input.
    owed = jacobian.abs()[:, 0, :, :, 0] > 0
    start = 0
    for i, own in enumerate(SPEC.actor_inputs(2)):
        mine = owed[:, start : start + SPEC.action_dims[i]]
        start += SPEC.action_dims[i]
        others = torch.ones(WIDTH, dtype=torch.bool)
        others[torch.from_numpy(own)] = False
        assert not mine[..., others].any()
        for now in range(2 * L):
            assert not mine[now, :, now + 1 :].any()
            # A ReLU unit or two may be dead; nearly everything own counts in every round.
            assert mine[now][:, : now + 1][..., ~others].double().mean() > 0.7


@pytest.mark.parametrize("kind", ACTORS)
def test_a_trajectory_in_pieces(kind):
    made, x = recurrent_actor(kind), sequence(rounds=2 * L + 1)
    whole, hidden, pieces = made(x), None, []
    for r in range(len(x)):
        action, hidden = made.steps(x[r : r + 1], r, hidden)
        pieces.append(action)
    torch.testing.assert_close(torch.cat(pieces), whole)
    forgotten, _ = made.steps(x[L:], L, None)
    assert not torch.allclose(forgotten, whole[L:])  # the hidden state goes on over time steps


def test_flat_rows_are_acted_on_round_by_round():
    made, x = recurrent_actor(), sequence()
    rows = x.transpose(0, 1).flatten(1)
    torch.testing.assert_close(made.of_rows(rows), made(x).transpose(0, 1).flatten(1))


def test_output_is_added_to_the_own_last_action_within_a_time_step():
    made = recurrent_actor()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
    x = sequence().clamp(-0.9, 0.9)
    last = x[..., SPEC.state_dim : SPEC.state_dim + SPEC.action_dim]
    expected = last.clone()
    expected[0::L] = 0.0
    torch.testing.assert_close(made(x), expected)


def test_inputs_are_whitened_for_every_slot():
    made = recurrent_actor()
    torch.manual_seed(5)
    x = torch.randn(3 * L, 400, WIDTH, dtype=torch.float64) * torch.rand(3 * L, 1, WIDTH) + 0.3
    x[0, :, SPEC.state_dim :] = 0.0  # nothing has been done or measured before the first round
    made.fit_inputs(x, 1e-6)
    maps = made.input_map.view(SPEC.num_agents, L + 1, -1, made.input_map.shape[-1])
    shifts = made.input_shift.view(SPEC.num_agents, L + 1, 1, -1)
    mapped = [
        (made.gather(x)[:, [r for r in range(len(x)) if slot(r, L) == place]].flatten(1, 2))
        @ maps[:, place]
        + shifts[:, place]
        for place in range(L + 1)
    ]
    for i in range(SPEC.num_agents):
        for place in range(L + 1):
            columns = SPEC.state_dims[i] if place == 0 else made.input_dims[i]
            covariance = torch.cov(mapped[place][i].t())
            expected = torch.zeros_like(covariance)
            kept = torch.linalg.eigvalsh(covariance) > 0.5
            assert int(kept.sum()) == columns
            big = covariance.diagonal() > 0.5
            expected[big, big] = 1.0
            torch.testing.assert_close(covariance, expected, atol=2e-3, rtol=0)


# --- action circles -----------------------------------------------------------------------

CIRCLES = ((1, 2, 1.0, 1.0),)  # of agent_1, whose action has two numbers
CIRCLED = dataclasses.replace(SPEC, action_circles=CIRCLES)


def eager(kind, spec):
    """An actor whose agent_1 wants (0.9, 0.8) in every round, whatever it sees."""
    made = recurrent_actor(kind, spec)
    wanted = torch.tensor([0.9, 0.8], dtype=torch.float64)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        made.last.bias[1, 0] = torch.atanh(wanted) if kind == "paper" else wanted
    return made


@pytest.mark.parametrize("kind", ACTORS)
def test_actions_are_scaled_back_into_circles(kind):
    x = torch.zeros(2 * L, 3, WIDTH, dtype=torch.float64)
    free, tied = (eager(kind, spec)(x) for spec in (SPEC, CIRCLED))
    np.testing.assert_allclose(free[0, 0, 1:3].tolist(), [0.9, 0.8], atol=1e-6)
    expected = scale_back(free.detach().numpy(), np.array(CIRCLES))
    np.testing.assert_allclose(tied.detach().numpy(), expected, atol=1e-6)
    assert torch.linalg.vector_norm(tied[..., 1:3], dim=-1).max() <= 1.0 + 1e-6


@pytest.mark.parametrize("kind", ACTORS)
def test_gradients_into_the_circle_pass_and_those_out_of_it_do_not(kind):
    x = torch.zeros(L, 3, WIDTH, dtype=torch.float64)

    def slope(spec, sign):
        made = eager(kind, spec)
        loss = sign * (made(x)[..., 1:3] * torch.tensor([0.9, 0.8])).sum()
        return torch.autograd.grad(loss, made.last.bias)[0][1, 0]

    outward, inward = slope(CIRCLED, -1.0), slope(CIRCLED, 1.0)
    np.testing.assert_allclose(outward.numpy(), 0.0, atol=1e-6)
    # Along the ray nothing is lost: as if there were no circle.
    np.testing.assert_allclose(inward.numpy(), slope(SPEC, 1.0).numpy(), atol=1e-6)
    assert (inward > 0.1).all()


@pytest.mark.parametrize("kind", ACTORS)
def test_the_exported_controller_stays_within_circles_too(kind):
    made = eager(kind, CIRCLED).float()
    signature = SPEC.plain_signature("agent_1")
    layers = [made.agent_layers(1)]

    def acts(signature):
        controller = RecurrentController("agent_1", signature, [kind_name(kind)], layers, L)
        action, memory = controller.act_round([0.3])
        again, _ = controller.act_round([0.3], action, [0.0] * 3, memory)
        return np.stack([action, again])

    np.testing.assert_allclose(acts(signature)[0], [0.9, 0.8], atol=1e-6)
    signature["action_circles"] = [(0, 1, 1.0)]
    found = acts(signature)
    np.testing.assert_allclose(found[0], np.array([0.9, 0.8]) / np.hypot(0.9, 0.8), atol=1e-6)
    assert np.linalg.norm(found, axis=1).max() <= 1.0 + 1e-9

"""The stage-wise information limit: how good a team can be with what its agents know.

Stage by stage, earlier ones frozen, a decentralised policy is fitted to its own expected reward
by exact gradients through the case's matrices, on fresh states at every update. No learner has
these gradients, so what it lacks to the limit is training, and what the limit lacks to the optimum
is information. It is a yardstick and never part of learning; being found with networks of finite
size, it can only err upwards. Its model is LinDistFlow, whatever the physics of the case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from policies.contract.joint_spec import JointSpec
from policies.contract.walk import Turns, walk
from policies.learning.schedule import cosine_decay
from policies.networks.actors import TeamActor
from rllib_grid import Case
from tuning.judging.evaluation import Judge, Judgement
from tuning.judging.information_limits.budget import FULL_STATE, Budget
from tuning.judging.information_limits.exact_model import ExactModel

_METER_SEED = 0  # of the meters behind which the test states are judged

Watch = Callable[[int, float], None]  # updates done, mean cost of the last minibatch in kW


def inputs_behind(
    case: Case,
    model: ExactModel,
    earlier: Sequence[TeamActor],
    state: Tensor,
    rng: np.random.Generator,
) -> Tensor:
    """What the actors see behind the frozen stages: each acts on the held state in turn.

    Args:
        case: Says by how much its meters err.
        model: Of that case.
        earlier: Frozen actors of stage 1, 2, ...
        state: (B, S).
        rng: Draws the errors of the meters.

    Returns:
        [s] of shape (B, S) if nothing is earlier, else [s | a~ | o] of shape (B, S + A + O).
    """

    def act(turn: int, inputs: Tensor) -> Tensor:
        action: Tensor = earlier[turn - 1](inputs)
        return action

    def measure(action: Tensor) -> Tensor:
        obs = model.obs(state, action)
        if case.meter_error_pu > 0:
            error = rng.standard_normal(tuple(obs.shape), dtype=np.float32)
            obs = obs + case.meter_error_pu / case.obs_scale_pu * torch.from_numpy(error)
        return obs

    def see(turn: int, before: Tensor, action: Tensor, obs: Tensor) -> Tensor:
        return torch.cat([state, action, obs], 1)

    with torch.no_grad():
        return walk(Turns(len(earlier) + 1), state, act, measure, see)


def fit_stage(
    case: Case,
    earlier: Sequence[TeamActor],
    budget: Budget,
    seed: int,
    *,
    full_state: bool = False,
    watch: Watch | None = None,
) -> TeamActor:
    """Find the best actors of the stage behind `earlier`, by exact gradients.

    Args:
        case: Model, demand and errors of the meters.
        earlier: Frozen actors of all stages before.
        budget: See `Budget`.
        seed: Of networks, states and errors; each stage draws from a stream of its own.
        full_state: Every agent sees the whole state; a single stage.
        watch: Called now and then.

    Returns:
        The actors with averaged weights; actors that hold their prototypes where those are worse.
    """
    stage = FULL_STATE if full_state else len(earlier) + 1
    torch_seed, *words = np.random.SeedSequence((seed, stage)).generate_state(5).tolist()
    rng = np.random.default_rng(words)
    model = ExactModel(case)

    def draw(size: int) -> tuple[Tensor, Tensor]:
        p_base_kw, q_base_kvar = case.demand.sample(rng, size)
        joint = case.layout.to_state(p_base_kw.astype(float), q_base_kvar.astype(float))
        state = torch.from_numpy(joint)
        return state, inputs_behind(case, model, earlier, state, rng)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed)
        actor = new_actor(case, len(earlier) + 1, budget, full_state=full_state)
    actor.fit_inputs(draw(budget.fresh_states)[1], budget.whiten_floor)
    parameters = list(actor.parameters())
    current = [parameter.data for parameter in parameters]
    average = [weights.clone() for weights in current]
    start = budget.rate / (2 if full_state else stage)
    optimizer = torch.optim.Adam(parameters, lr=start)
    for update in range(budget.updates):
        for group in optimizer.param_groups:
            rise = min(1.0, (update + 1) / budget.warmup)
            group["lr"] = start * rise * cosine_decay(update / budget.updates)
        state, inputs = draw(budget.batch)
        cost = model.cost_kw(state, actor(inputs)).mean()
        optimizer.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        # Early on the average forgets faster, so that the initial weights leave no trace.
        torch._foreach_lerp_(average, current, max(budget.averaging, 1 / (update + 1)))
        if watch is not None and ((update + 1) % 100 == 0 or update + 1 == budget.updates):
            watch(update + 1, float(cost.detach()))
    for weights, averaged in zip(current, average, strict=True):
        weights.copy_(averaged)
    actor.requires_grad_(False)
    if earlier:
        state, inputs = draw(budget.fresh_states)
        held = _holding(actor)
        if model.cost_kw(state, held(inputs)).mean() <= model.cost_kw(state, actor(inputs)).mean():
            return held
    return actor


def _holding(actor: TeamActor) -> TeamActor:
    """The same actors, keeping to their prototypes: what a further stage never falls behind."""
    weights = dict(actor.state_dict())
    for name in ("last.weight", "last.bias", "skip"):
        weights[name] = torch.zeros_like(weights[name])
    return actor.with_weights(weights)


def new_actor(case: Case, stage: int, budget: Budget, *, full_state: bool) -> TeamActor:
    """Return untrained actors of a stage, of the width that the budget names."""
    layout = case.layout
    buses = tuple(map(len, case.groups))
    wide = tuple(2 * n for n in buses)  # p and q
    spec = JointSpec(layout.agents, wide, wide, buses, full_state=full_state)
    return TeamActor(spec, stage, kind="plain", width=budget.width)


def judge_stage(judge: Judge, earlier: Sequence[TeamActor], actor: TeamActor) -> Judgement:
    """Return the figures of a stage in the states of `judge`, meters erring as in its case."""
    case = judge.case
    state = torch.from_numpy(case.layout.to_state(judge.p_base_kw, judge.q_base_kvar))
    meters = np.random.default_rng(_METER_SEED)
    with torch.no_grad():
        action = actor(inputs_behind(case, ExactModel(case), earlier, state, meters))
    return judge.judge(*case.layout.to_controls(action.numpy()))

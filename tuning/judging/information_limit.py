"""The stage-wise information limit: how good a team can be with what its agents know.

Stage by stage, earlier ones frozen, a decentralised policy is fitted to its own expected reward
by exact gradients through the case's matrices, on fresh states at every update. No learner has
these gradients, so what it lacks to the limit is training, and what the limit lacks to the optimum
is information. It is a yardstick and never part of learning; being found with networks of finite
size, it can only err upwards. Its model is LinDistFlow, whatever the physics of the case.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights
from torch import Tensor

from policies.contract.joint_spec import JointSpec
from policies.networks.team import TeamActor
from policies.staged.stages import cosine_decay
from rllib_grid import Case
from tuning.errors import CommandError
from tuning.judging.evaluation import Judge, Judgement, test_states
from tuning.judging.exact_model import ExactModel
from tuning.records.files import read_json, replacing, write_json
from tuning.records.provenance import git_commit
from tuning.records.run_folder import RUNS

FULL_STATE = 0  # stands for the full state where limits are listed by their number of stages
LIMITS_JSON = "limits.json"

_METER_SEED = 0  # of the meters behind which the test states are judged

Watch = Callable[[int, float], None]  # updates done, mean cost of the last minibatch in kW


@dataclass(frozen=True)
class Budget:
    """The work on each stage.

    Attributes:
        updates: steps of Adam.
        batch: fresh states of each step.
        width: units of each hidden layer, for every agent.
        rate: learning rate at stage 1, falling to zero along a cosine; stage k starts from a
            k-th of it, the full state from half.
        whiten_floor: see `TeamActor.fit_inputs`.
        fresh_states: number of states that the whitening is taken from, and that tell whether a
            stage is better than holding the action of the one before.
    """

    updates: int
    batch: int = 256
    width: int = 128
    rate: float = 2e-2
    whiten_floor: float = 1e-3
    fresh_states: int = 65_536

    @property
    def averaging(self) -> float:
        """Step of the Polyak average towards the current weights: a 100th of the updates long."""
        return min(1.0, 100 / self.updates)

    @property
    def warmup(self) -> int:
        """Updates over which the learning rate rises."""
        return max(1, self.updates // 100)


def actor_inputs(
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
    inputs = state
    for actor in earlier:
        with torch.no_grad():
            action = actor(inputs)
            obs = model.obs(state, action)
            if case.meter_error_pu > 0:
                error = rng.standard_normal(tuple(obs.shape), dtype=np.float32)
                obs = obs + case.meter_error_pu / case.obs_scale_pu * torch.from_numpy(error)
            inputs = torch.cat([state, action, obs], 1)
    return inputs


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
        return state, actor_inputs(case, model, earlier, state, rng)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed)
        actor = _new_actor(case, len(earlier) + 1, budget, full_state=full_state)
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


def _new_actor(case: Case, stage: int, budget: Budget, *, full_state: bool) -> TeamActor:
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
        action = actor(actor_inputs(case, ExactModel(case), earlier, state, meters))
    return judge.judge(*case.layout.to_controls(action.numpy()))


# The cache: runs/limits/<case>-<hash of the case>-<hash of the budget>-seed<seed>/


def load_limits(case: Case) -> dict[int, float] | None:
    """Return the mean PER (a fraction) of every limit of a case that has been computed.

    Args:
        case: Exactly this case: another meter error is another case.

    Returns:
        By number of stages; the limit of the full state stands at `FULL_STATE` (0). Of several
        budgets the one with the most updates counts, figure by figure. None if there is none.

    Raises:
        CommandError: A file of the cache cannot be read, or holds another case.
    """
    found: dict[int, tuple[int, float]] = {}
    for path in sorted((RUNS / "limits").glob(f"*-{_digest(case.to_dict())}-*/{LIMITS_JSON}")):
        content = _read_limits(path, case)
        updates = int(content["budget"]["updates"])
        for entry in content["limits"]:
            stage = int(entry["stage"])
            if entry["per_mean"] is None:  # no state of the case has a feasible dispatch
                continue
            if stage not in found or updates > found[stage][0]:
                found[stage] = (updates, float(entry["per_mean"]))
    return {stage: per for stage, (_, per) in sorted(found.items())} or None


def limits_folder(case: Case, budget: Budget, seed: int) -> Path:
    """Return the folder of the cache that holds limits.json and the actors of each stage."""
    name = re.sub(r"[^\w.]+", "-", case.name)
    work = _digest(dataclasses.asdict(budget))
    return RUNS / "limits" / f"{name}-{_digest(case.to_dict())}-{work}-seed{seed}"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()[:12]


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True)


def _read_limits(path: Path, case: Case) -> dict[str, Any]:
    """Read a file of the cache.

    Raises:
        CommandError: It cannot be read, or holds another case.
    """
    content = read_json(path)
    if not {"case", "budget", "limits"} <= set(content):
        raise CommandError(f"{path} is not a file of limits; delete its folder")
    if _canonical(content["case"]) != _canonical(case.to_dict()):
        raise CommandError(f"{path} holds the limits of another case; delete its folder")
    return content


def find_limits(
    case: Case,
    stages: int,
    budget: Budget,
    seed: int,
    *,
    out: Path | None = None,
    watch: Callable[[int], Watch] | None = None,
) -> dict[str, Any]:
    """Compute what the cache lacks of the limits of 1..K stages and of the full state.

    The cache is written after every stage; a computation that was killed goes on behind the last
    one. The result is the same, to the last bit, as without the interruption.

    Args:
        case: The case.
        stages: K.
        budget: Of each stage.
        seed: See `fit_stage`.
        out: A folder that gets the same limits.json.
        watch: Gives, for a stage, the function to call as it is fitted.

    Returns:
        The content of limits.json: `case`, `budget`, `seed`, `team_rule`, `zero_action`, and
        `limits`, a list of judgements with `stage` (`FULL_STATE` is 0) and `wall_s`.

    Raises:
        CommandError: The cache cannot be read or written.
    """
    folder = limits_folder(case, budget, seed)
    path = folder / LIMITS_JSON
    judge: Judge | None = None
    if path.is_file():
        content = _read_limits(path, case)
    else:
        judge = Judge(case, *test_states(case))
        content = {
            "case_name": case.name,
            "seed": seed,
            "budget": dataclasses.asdict(budget),
            "git_commit": git_commit(),
            **judge.yardsticks(),
            "limits": [],
            "case": case.to_dict(),
        }
    done = {int(entry["stage"]): entry for entry in content["limits"]}
    earlier: list[TeamActor] = []
    for stage in (*range(1, stages + 1), FULL_STATE):
        behind = [] if stage == FULL_STATE else earlier
        weights = folder / f"stage-{stage}.safetensors"
        if stage in done:
            if stage != FULL_STATE:
                earlier.append(_load_actor(case, stage, budget, weights))
            continue
        begun = time.monotonic()
        full_state = stage == FULL_STATE
        shown = watch(stage) if watch is not None else None
        actor = fit_stage(case, behind, budget, seed, full_state=full_state, watch=shown)
        wall_s = time.monotonic() - begun
        judge = judge or Judge(case, *test_states(case))
        done[stage] = judge_stage(judge, behind, actor).entry(stage=stage, wall_s=wall_s)
        with replacing(weights) as file:  # before the entry that says it is there
            file.write(save_weights(actor.state_dict()))
        content["limits"] = [done[k] for k in sorted(done)]
        write_json(path, content)
        if out is not None:
            write_json(out / LIMITS_JSON, content)
        if stage != FULL_STATE:
            earlier.append(actor)
    if out is not None:
        write_json(out / LIMITS_JSON, content)
    return content


def _load_actor(case: Case, stage: int, budget: Budget, path: Path) -> TeamActor:
    actor = _new_actor(case, stage, budget, full_state=False)
    try:
        actor.load_state_dict(load_weights(path.read_bytes()))
    except Exception as error:  # whatever is wrong with the file, the remedy is the same
        raise CommandError(f"{path} cannot be read; delete its folder ({error})") from error
    return actor.requires_grad_(False)

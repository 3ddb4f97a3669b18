"""All limits of a case: what the cache lacks is computed, stage after stage."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights

from policies.networks.actors import TeamActor
from rllib_grid import Case
from tuning.errors import CommandError
from tuning.judging.evaluation import Judge, test_states
from tuning.judging.information_limits.budget import FULL_STATE, Budget
from tuning.judging.information_limits.cache import LIMITS_JSON, limits_folder, read_limits
from tuning.judging.information_limits.stage_fit import Watch, fit_stage, judge_stage, new_actor
from tuning.records.files import replacing, write_json
from tuning.records.provenance import git_commit


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
        content = read_limits(path, case)
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
    actor = new_actor(case, stage, budget, full_state=False)
    try:
        actor.load_state_dict(load_weights(path.read_bytes()))
    except Exception as error:  # whatever is wrong with the file, the remedy is the same
        raise CommandError(f"{path} cannot be read; delete its folder ({error})") from error
    return actor.requires_grad_(False)

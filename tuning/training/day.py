"""``python -m tuning day``: train on days with storage, and judge on other days."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import rllib_grid.envs.grid_day_env  # noqa: F401  # importing it registers "grid-day"
from policies.controllers.controller import load_controllers
from policies.staged.algorithm import MADDPG
from policies.staged.config import MADDPGConfig
from rllib_grid.cases.day_case import DayCase
from rllib_grid.envs.day_rollout import DayRecord
from tuning.cluster.local_ray import local_ray, quiet_rllib
from tuning.commands.day import DayArgs
from tuning.errors import CommandError
from tuning.judging.day_evaluation import DayJudge
from tuning.options.settings import read_settings
from tuning.records.cells import clear_debris
from tuning.records.checkpoints import (
    describe_checkpoints,
    find_checkpoint,
    parse_interval,
    save_checkpoint,
)
from tuning.records.run_folder import (
    RunFolder,
    create_run,
    git_commit,
    load_run,
    versions,
    write_json,
    writing,
)
from tuning.training.day_report import draw_days, print_days
from tuning.training.day_runner import DayRunner
from tuning.training.presets import apply_settings

VALIDATION_DAYS = 200  # trajectories per validation, drawn from the validation days


def make_day_config(args: DayArgs, case: DayCase) -> MADDPGConfig:
    """The configuration of a training on days: what differs from `MADDPGConfig`'s defaults.

    Days are cheap and updates are not, so each update has a dozen new rows: with few days the
    critics learn the replay by heart and the actors live on their errors. Each agent has a critic
    of its own reward: what others pay for does not depend on it, and a critic that all actors
    climb together overestimates, the more the longer the horizon. The actors are slower than the
    critics for the same reason. Target critics follow fast, so that a day's values come through in
    a few hundred updates.

    Args:
        args: Checked arguments of ``day``.
        case: The day case, already with the profiles asked for.
    """
    config = MADDPGConfig()
    config.environment("grid-day", env_config={"case": case.to_dict()})
    config.training(
        gamma=0.95,
        critic="separate",
        reward_scale=0.5 if case.heat is None else 0.2,  # comfort spreads rewards
        actor_lr=1e-3,
        critic_lr=3e-3,
        tau=0.01,
        critic_tau=0.05,
        critic_net="saddle-residual",
        critic_width=128,
        critic_rows=64,
        actor_width=128,
        minibatch_size=1_024,
        replay_capacity=400_000,
    )
    config.stages(
        num_stages=args.stages,
        episodes=args.episodes or (16_000,),
        updates_per_episode=0.2,
        warmup_episodes=2_000,
        collect_share=0.7,
        updates_per_iteration=400,
        validation_episodes=VALIDATION_DAYS,
    )
    config.exploration(sigma=0.5)
    config.env_runners(env_runner_cls=DayRunner, num_envs_per_env_runner=250)
    apply_settings(config, read_settings(args.settings or ()))
    if args.gamma is not None:
        config.training(gamma=args.gamma)
    config.debugging(seed=args.seed, log_level="ERROR")
    return config


def run_day(args: DayArgs) -> None:
    """Train, judge and report.

    Args:
        args: As returned by `day_args.check`.

    Raises:
        CommandError: Settings that do not go together.
    """
    quiet_rllib()
    case = args.make_case()
    config = make_day_config(args, case)
    try:
        config.validate()
    except ValueError as error:
        raise CommandError(str(error)) from error
    for split in ("train", "validation", "test"):
        case.days(split)  # refuses a year that is too short before any long work
    run = _open_run(args, case)
    checkpoint = find_checkpoint(run)
    with local_ray(1):
        algo = config.build_algo()
        try:
            if checkpoint is not None:
                algo.restore_from_path(str(checkpoint.resolve()))
            _train(algo, run, args)
            with writing(run.controllers):
                algo.export_controllers(run.controllers)
            progress = algo.progress()
        finally:
            algo.stop()
    report = _judged(args, case, run.controllers, progress)
    run.write_report(report)
    files = draw_days(report, run.path)
    print_days(report)
    names = ", ".join(path.name for path in files)
    print(
        f"{run.path}: report.json, progress.csv, controllers/, {describe_checkpoints(run)}, {names}"
    )


def _open_run(args: DayArgs, case: DayCase) -> RunFolder:
    if args.resume is not None:
        clear_debris(args.resume)
        run = load_run(args.resume)
        if run.config()["day_case"] != json.loads(json.dumps(case.to_dict())):
            raise CommandError(
                f"--resume: {run.path} was begun with another day case, or with another content of "
                "its file of profiles: bring that back"
            )
        return run
    run = create_run(args.out, f"{args.case}-seed{args.seed}")
    write_json(
        run.config_file,
        {
            "day_case_name": case.name,
            "arguments": args.to_json(),
            "day_case": case.to_dict(),
            "versions": versions(),
            "git_commit": git_commit(),
        },
    )
    return run


def _train(algo: MADDPG, run: RunFolder, args: DayArgs) -> None:
    """Train to the end, with checkpoints.

    Raises:
        KeyboardInterrupt: After Ctrl-C; says how to go on from the last checkpoint.
    """
    rows: list[dict[str, Any]] = [
        dict(row) for row in run.progress() if int(row["iteration"]) <= algo.iteration
    ]
    every = parse_interval(args.checkpoint_every)
    started = time.monotonic() - (float(rows[-1]["wall_s"]) if rows else 0.0)
    saved_at, saved_days = time.monotonic(), _days(rows)
    try:
        while not algo.finished:
            rows.append({**_iteration(algo), "wall_s": time.monotonic() - started})
            passed = time.monotonic() - saved_at, _days(rows) - saved_days
            if every.passed(*passed) or algo.finished:
                run.write_progress(rows)
                save_checkpoint(algo, run)
                saved_at, saved_days = time.monotonic(), _days(rows)
            if not args.quiet:
                print(_line(rows[-1], algo.config.num_stages), flush=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with: python -m tuning day --resume {run.path}") from None


def _iteration(algo: MADDPG) -> dict[str, Any]:
    """Train for one iteration; return its line of progress.csv."""
    result = algo.train()
    done = result["maddpg"]
    # An iteration that ends a stage already shows the next one, which has done nothing yet.
    now = done if done["updates"] or not done["ended"] else done["ended"][-1]
    before = [entry for entry in done["ended"] if entry["stage"] < now["stage"]]
    names = ("stage", "episodes", "updates", "env_steps", "validation_return", "best_return")
    return {
        "iteration": result["training_iteration"],
        **{name: now[name] for name in names},
        "days_total": now["episodes"] + sum(entry["episodes"] for entry in before),
    }


def _days(rows: list[dict[str, Any]]) -> int:
    return int(rows[-1]["days_total"]) if rows else 0


def _line(row: dict[str, Any], num_stages: int) -> str:
    return (
        f"stage {row['stage']}/{num_stages}  days {row['episodes']:,}  "
        f"updates {row['updates']:,}  validation return {row['validation_return']:,.1f} "
        f"EUR a day (best {row['best_return']:,.1f})  {row['wall_s']:.0f} s"
    )


def _judged(args: DayArgs, case: DayCase, folder: Path, progress: dict[str, Any]) -> dict[str, Any]:
    """The report of exported controllers on the test days."""
    judge = DayJudge(case, "test", args.test_days)
    controllers = load_controllers(folder)
    horizon = judge.receding_horizon()
    records = [judge.run_controllers(controllers, stage + 1) for stage in range(args.stages)]
    stages = []
    for record, ended in zip(records, progress["ended"], strict=True):
        told = {name: ended[name] for name in ("stage", "episodes", "updates", "wall_s")}
        saved = judge.idle.cost_eur - record.cost_eur
        rival = judge.idle.cost_eur - horizon.cost_eur
        stages.append(
            judge.judge(record).entry(
                **told, saved_of_receding_horizon=float(saved.sum() / rival.sum())
            )
        )
    planned = judge.run(judge.foresight.decide)
    return {
        "day_case": case.name,
        "seed": args.seed,
        "steps": judge.days.num_steps,
        "test_days": judge.days.num_days,
        "stages": stages,
        "yardsticks": {
            "idle": judge.judge(judge.idle).entry(),
            "price_rule": judge.judge(judge.price_rule()).entry(),
            "receding_horizon": judge.judge(horizon).entry(),
            "perfect_foresight": judge.judge(planned).entry(),
        },
        "proof": judge.proof(),
        "day": _one_day(judge, {"stage": records[-1], "foresight": planned}),
    }


def _one_day(judge: DayJudge, records: dict[str, Any]) -> dict[str, Any]:
    """What the picture shows: the day on which the choice of controls matters most."""
    at = int(np.argmax(judge.idle.cost_eur - judge.foresight.cost_eur))
    days = judge.days
    shown: dict[str, Any] = {
        "date": str(days.dates[at]),
        "price_eur_per_kwh": days.price_eur_per_kwh[at],
        "p_base_kw": days.p_base_kw[at].sum(axis=1),
        "v_bounds_pu": [judge.case.v_min_pu, judge.case.v_max_pu],
        "idle_v_min_pu": judge.idle.v_pu[at].min(axis=1),
        "idle_v_max_pu": judge.idle.v_pu[at].max(axis=1),
        "capacity_kwh": float(judge.case.capacity_kwh.sum()),
    }
    for name, record in records.items():
        shown[name] = {
            "p_ctrl_kw": record.p_ctrl_kw[at].sum(axis=1),
            "q_ctrl_kvar": record.q_ctrl_kvar[at].sum(axis=1),
            "soc_kwh": record.soc_kwh[at].sum(axis=1),
            "v_min_pu": record.v_pu[at].min(axis=1),
            "v_max_pu": record.v_pu[at].max(axis=1),
            "cost_eur": float(record.cost_eur[at]),
        }
    pumps = judge.case.heat
    if pumps is not None:
        shown["t_bounds_c"] = [pumps.t_low_c, pumps.t_high_c]
        shown["outdoor_c"] = days.outdoor_c[at]
        for name, record in (("idle", judge.idle), *records.items()):
            shown[name] = shown.get(name, {}) | _indoors(record, at)
    return shown


def _indoors(record: DayRecord, at: int) -> dict[str, Any]:
    """Heating in the picture, with the coldest and the warmest building; none without."""
    if record.heat is None:
        return {}
    t_in = record.heat.t_in_c[at]
    return {
        "p_heat_kw": record.heat.p_heat_kw[at].sum(axis=1),
        "t_min_c": t_in.min(axis=1),
        "t_max_c": t_in.max(axis=1),
    }

"""``python -m tuning robustness``: trained controllers under disturbances, on the test states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policies.controllers.agent import AgentController
from policies.controllers.files import load_controllers
from tuning.commands.robustness import STATES_ALONE, RobustnessArgs
from tuning.drawing.pictures import in_per_cent, save_picture
from tuning.drawing.sheets import Sheet, number, print_sheets
from tuning.errors import CommandError, did_you_mean
from tuning.judging.disturbances import IDEAL, Disturbance, disturbances
from tuning.judging.evaluation import Judge, Judgement, test_states
from tuning.records.files import read_json, write_json
from tuning.records.provenance import git_commit, versions
from tuning.records.run_folder import create_run, load_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rllib_grid import Case

Entry = Mapping[str, Any]

ROBUSTNESS_JSON = "robustness.json"
ROBUSTNESS_PNG = "robustness.png"
# What a run may differ in from the others: how it was trained, not what it is judged on.
_OF_THE_TRAINING = ("name", "horizon", "agent_reward", "penalty_kw_per_pu", *IDEAL)
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8f98")
_MARKERS = "osD^vPX"


def run_robustness(args: RobustnessArgs) -> None:
    """Judge every run under every disturbance; write and print what came of it.

    Args:
        args: As returned by `tuning.commands.robustness.check`.

    Raises:
        CommandError: The runs are of different cases, or there is no such agent.
    """
    case = common_case(args.runs)
    if args.agent not in case.agents:
        known = ", ".join(case.agents)
        raise CommandError(
            f"--agent: {args.agent} is unknown{did_you_mean(args.agent, case.agents)} "
            f"(known: {known})"
        )
    case = case.replace(**{**IDEAL, "meter_error_pu": args.meter_error})
    tried = disturbances(args.agent)
    judge = Judge(case, *test_states(case, args.states))
    rows = [
        put_through(judge, load_controllers(load_run(path).controllers), tried)
        for path in args.runs
    ]
    folder = create_run(args.out, f"robustness-{case.name}").path
    content = {
        "case_name": case.name,
        "agent": args.agent,
        "meter_error_pu": args.meter_error,
        "test_states": args.states,
        "runs": [_described(path) for path in args.runs],
        "disturbances": [
            {
                "name": disturbance.name,
                "changes": dict(disturbance.changes),
                "runs": [[_figures(stage) for stage in row[i]] for row in rows],
            }
            for i, disturbance in enumerate(tried)
        ],
        "case": case.to_dict(),
        "versions": versions(),
        "git_commit": git_commit(),
    }
    write_json(folder / ROBUSTNESS_JSON, content)
    content = read_json(folder / ROBUSTNESS_JSON)
    draw(content, folder)
    files = f"{folder}: {ROBUSTNESS_JSON}, {ROBUSTNESS_PNG}"
    print_sheets(sheets(content), [*_legend(content), files])


def common_case(runs: Sequence[Path]) -> Case:
    """Return the case that runs have in common.

    Raises:
        CommandError: Their test states or optima would differ.
    """
    cases = [load_run(path).state_case(STATES_ALONE) for path in runs]
    kept = [_judged_on(case) for case in cases]
    for path, own in zip(runs, kept, strict=True):
        for name, value in own.items():
            if value != kept[0][name]:
                raise CommandError(
                    f"{path} and {runs[0]} differ in {name} of their cases: compare runs of one"
                )
    return cases[0]


def put_through(
    judge: Judge, controllers: Mapping[str, AgentController], tried: Sequence[Disturbance]
) -> list[list[Judgement]]:
    """Judge controllers under one disturbance after another, on the same states and streams.

    Args:
        judge: Of the undisturbed case.
        controllers: One per agent.
        tried: The disturbances.

    Returns:
        Per disturbance the figures of every stage.
    """
    return [
        judge.stages(controllers, case=judge.case.replace(**d.changes), faults=d.faults)
        for d in tried
    ]


def sheets(content: Entry) -> list[Sheet]:
    """Return the tables of the last stages: a row per disturbance, a column per run.

    Args:
        content: Of ``robustness.json``.
    """
    head = ["disturbance", *_names(content)]
    found = []
    for title, key in (
        ("mean PER, %", "per_mean"),
        ("states that violate a voltage bound, %", "voltage_violation_rate"),
    ):
        rows = [
            [row["name"], *(number(stages[-1][key], 100) for stages in row["runs"])]
            for row in content["disturbances"]
        ]
        found.append(Sheet(title, head, rows))
    return found


def draw(content: Entry, folder: Path) -> Path:
    """Draw the mean PER under every disturbance.

    Args:
        content: Of ``robustness.json``.
        folder: Where ``robustness.png`` is written.
    """
    size = (8.2, 1.6 + 0.28 * len(content["disturbances"]))
    save_picture(folder / ROBUSTNESS_PNG, partial(_draw, content), size)
    return folder / ROBUSTNESS_PNG


def _draw(content: Entry, axes: Axes) -> None:
    rows = content["disturbances"]
    for i, name in enumerate(_names(content)):
        per = [row["runs"][i][-1]["per_mean"] for row in rows]
        axes.plot(
            per,
            range(len(rows)),
            linestyle="none",
            marker=_MARKERS[i % len(_MARKERS)],
            color=_COLOURS[i % len(_COLOURS)],
            markersize=6,
            alpha=0.85,
            label=name,
        )
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.invert_yaxis()
    everything = [stages[-1]["per_mean"] for row in rows for stages in row["runs"]]
    if all(value is None or value > 0 for value in everything):
        axes.set_xscale("log")
    in_per_cent(axes.xaxis)
    axes.set_xlabel("mean PER on the test states [%]")
    axes.set_title(f"{content['case_name']}: what is not ideal", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def _judged_on(case: Case) -> dict[str, Any]:
    return {k: v for k, v in case.to_dict().items() if k not in _OF_THE_TRAINING}


def _described(path: Path) -> dict[str, Any]:
    """Return what a run is, with the conditions that it was trained under."""
    config = load_run(path).config()
    case = load_run(path).state_case(STATES_ALONE)
    trained = {name: getattr(case, name) for name in IDEAL if getattr(case, name)}
    return {
        "path": path,
        "algorithm": config.get("algorithm"),
        "seed": config.get("seed"),
        "trained_with": trained,
    }


def _figures(judgement: Judgement) -> dict[str, Any]:
    return {k: v for k, v in judgement.entry().items() if k != "per_histogram"}


def _names(content: Entry) -> list[str]:
    """Return the runs' folder names, or whole paths where those are not unique."""
    paths = [Path(run["path"]) for run in content["runs"]]
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _legend(content: Entry) -> list[str]:
    error = content["meter_error_pu"]
    lines = [
        f"{content['case_name']}, {content['test_states']:,} test states"
        + (f", meters err by {error:g} p.u. unless a row says otherwise" if error else "")
    ]
    for name, run in zip(_names(content), content["runs"], strict=True):
        trained = ", ".join(f"{key} {value:g}" for key, value in run["trained_with"].items())
        lines.append(
            f"{name}: {run['algorithm']}, seed {run['seed']}, trained with "
            + (trained or "ideal meters and probes")
        )
    return lines

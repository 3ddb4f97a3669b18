"""What a sweep keeps of its trials while Tune runs them, so that a kill loses nothing.

Tune writes its state file by file, in place. Whoever is killed in between leaves half of it. So
after each time that Tune has written its state, all of it goes into one file, ``state.zip``, whole
or not at all, beside the logs of unfinished trials; `restore_state` puts it back.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from ray.tune import Callback
from ray.tune.result import DONE

from tuning.errors import CommandError
from tuning.records.files import replacing
from tuning.records.measures import GAP_CLOSED, PER
from tuning.sweep.progress import SweepProgress
from tuning.sweep.trial import SHARE, TRAINED

TUNE = "tune"  # Tune's own folder in that of the sweep
STATE = "state.zip"
_TUNER = "tuner.pkl"
_SNAPSHOT = "experiment_state-"
_LOGS = ("result.json", "progress.csv")
COLUMNS = (  # those of a result that are kept, where it has them
    "iteration",
    "stage",
    "episodes_total",
    "updates_total",
    PER.validated,
    GAP_CLOSED.validated,
    "validation_violation_rate",
    "wall_s",
    SHARE,
)

Row = dict[str, Any]
Ended = Literal["finished", "stopped", "failed"]


class Watch:
    """The trials of the sweep that this process runs.

    Args:
        folder: Of the sweep.
        keys: Of a trial's configuration, which PBT changes on the way.
        shown: Where progress is shown.
        resumed: Whether Tune is to restore a state.

    Attributes:
        rows: By trial, one row per iteration.
        ended: By trial, how it has ended; absent while it goes on.
        trials: Tune's own as of the last step, in the order in which they came up first.
    """

    def __init__(
        self, folder: Path, keys: Sequence[str], shown: SweepProgress, *, resumed: bool
    ) -> None:
        self.folder = folder
        self.shown = shown
        self.rows: dict[str, list[Row]] = {}
        self.ended: dict[str, Ended] = {}
        self.trials: Sequence[Any] = ()
        self._keys = keys
        self._numbers: dict[str, int] = {}
        self._done: set[str] = set()
        self._resumed = resumed
        self._tuner = b""
        self._kept = 0

    def start(self) -> None:
        """Tune is about to begin.

        Raises:
            CommandError: Its state could not be restored; it would begin anew.
        """
        if self._resumed:
            raise CommandError(f"{self.folder / STATE} cannot be restored by this version of Ray")
        self._tuner = (self.folder / TUNE / _TUNER).read_bytes()  # Tune writes it again and again

    def get_state(self) -> dict[str, Any]:
        """Return what a process that goes on needs of this one."""
        return {"rows": self.rows, "ended": self.ended, "numbers": self._numbers}

    def set_state(self, state: dict[str, Any]) -> None:
        """The inverse of `get_state`."""
        self.rows, self.ended, self._numbers = state["rows"], state["ended"], state["numbers"]
        self._resumed = False

    def begin(self, trial: Any) -> None:
        """Note that a trial runs in a process."""
        self.ended.pop(trial.trial_id, None)
        _fetch_logs(trial)

    def add(self, trial: Any, result: Row) -> None:
        """Keep a result; what a trial does again after a restart replaces what it had done."""
        row = {name: result[name] for name in COLUMNS if name in result}
        row |= {key: result["config"][key] for key in self._keys}
        rows = self.rows.setdefault(trial.trial_id, [])
        while rows and rows[-1]["iteration"] >= row["iteration"]:
            rows.pop()
        rows.append(row)
        if result[DONE]:  # set by the trial at its end, and by Tune for a scheduler
            self._done.add(trial.trial_id)

    def end(self, trial: Any, *, failed: bool) -> None:
        """Note how a trial has ended. After Ctrl-C Tune ends those too that have not."""
        if not failed and trial.trial_id not in self._done:
            return
        rows = self.rows.get(trial.trial_id)
        trained = rows is not None and rows[-1][SHARE] >= TRAINED
        self.ended[trial.trial_id] = "failed" if failed else "finished" if trained else "stopped"

    def keep(self, trials: Sequence[Any]) -> None:
        """Bring the state that Tune has written last into one file."""
        if not trials:
            return
        for trial in trials:  # Tune restores them in another order
            self._numbers.setdefault(trial.trial_id, len(self._numbers))
        self.trials = sorted(trials, key=lambda trial: self._numbers[trial.trial_id])
        self.shown.refresh(self.trials, self.rows, self.ended)
        staging = Path(trials[0].local_experiment_path)
        snapshots = {path.stat().st_mtime_ns: path for path in staging.glob(_SNAPSHOT + "*.json")}
        newest = max(snapshots, default=0)
        if newest <= self._kept:
            return
        session = snapshots[newest].stem.removeprefix(_SNAPSHOT)
        unfinished = [t for t in trials if t.trial_id in self.rows and t.trial_id not in self.ended]
        logs = [Path(trial.local_path) / name for trial in unfinished for name in _LOGS]
        with replacing(self.folder / STATE) as file, zipfile.ZipFile(file, "w") as state:
            state.writestr(_TUNER, self._tuner)
            for path in (*staging.glob(f"*{session}.*"), *logs):
                if path.is_file():
                    state.write(path, path.relative_to(staging))
        self._kept = newest


class WatchCallback(Callback):  # type: ignore[misc]
    """Tune's side of a `Watch`.

    Tune pickles it with the tuner, so what it needs of this process hangs on the class.

    Attributes:
        watch: Of the sweep that this process runs.
    """

    watch: ClassVar[Watch]

    def setup(self, *args: Any, **info: Any) -> None:
        """Tune is about to begin, restored or not."""
        self.watch.start()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial has got a process."""
        self.watch.begin(trial)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Row, **info: Any
    ) -> None:
        """A trial has done an iteration."""
        self.watch.add(trial, result)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial has come to its end, or the scheduler has stopped it."""
        self.watch.end(trial, failed=False)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial has failed for good."""
        self.watch.end(trial, failed=True)

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        """Tune has handled an event, and now and then written its state."""
        self.watch.keep(trials)

    def on_experiment_end(self, trials: Any, **info: Any) -> None:
        """Tune has written its state for the last time."""
        self.watch.keep(trials)

    def get_state(self) -> dict[str, Any]:
        """What Tune writes with its own state."""
        return self.watch.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """The inverse of `get_state`."""
        self.watch.set_state(state)


def known_rows(trial_id: str) -> Sequence[Row]:
    """Return the rows of a trial of this process's sweep."""
    return WatchCallback.watch.rows.get(trial_id, ())


def restore_state(folder: Path) -> bool:
    """Put Tune's files back as they were when they were kept last.

    Args:
        folder: Of the sweep.

    Returns:
        Whether there was anything to go on with; if not, Tune's folder is removed.
    """
    tune, state = folder / TUNE, folder / STATE
    if not state.is_file():
        shutil.rmtree(tune, ignore_errors=True)
        return False
    tune.mkdir(exist_ok=True)
    for suffix in ("json", "pkl"):
        for path in tune.glob(f"*.{suffix}"):
            path.unlink()
    with zipfile.ZipFile(state) as kept:
        kept.extractall(tune)
    return True


def remove_old_checkpoints(trials: Sequence[Any]) -> None:
    """Remove every checkpoint that is no trial's last."""
    last = {Path(trial.checkpoint.path) for trial in trials if trial.checkpoint is not None}
    for trial in trials:
        for path in Path(trial.path).glob("checkpoint_*"):
            if path not in last:
                shutil.rmtree(path, ignore_errors=True)


def _fetch_logs(trial: Any) -> None:
    """Let Tune's logs of a restored trial go on: it would begin new ones and lose the old."""
    for name in _LOGS:
        here, there = Path(trial.local_path) / name, Path(trial.path) / name
        if there.is_file() and not here.exists():
            content = there.read_bytes()
            here.parent.mkdir(parents=True, exist_ok=True)
            here.write_bytes(content[: content.rfind(b"\n") + 1])  # whole lines

"""A Ray of our own on this machine."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuning.errors import CommandError

OBJECT_STORE_BYTES = 256 * 1024**2


def prepare_environment(*, dashboard: bool = False, address: str | None = None) -> None:
    """Set what Ray and torch read when they are imported; call it before that.

    Where Ray has been imported already, its mode of authentication stands and is left alone.

    Args:
        dashboard: Whether somebody will log in to the dashboard: then the token is the user's own,
            which ``ray get-auth-token`` prints, and is made if there is none.
        address: Of a cluster that will be joined: Ray then takes the user's token, if there is one.

    Raises:
        CommandError: The user's token is to be made and cannot be written.
    """
    if address is None and "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        if dashboard:
            _ensure_own_token()
        else:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one torch thread per process


def _ensure_own_token() -> None:
    """Make the user's token where Ray looks for it, readable by the user alone.

    Ray would make it too, but readable by everybody.
    """
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    path = Path.home() / ".ray" / "auth_token"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        return
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written: {error.strerror}; --dashboard needs a token there or in "
            "RAY_AUTH_TOKEN"
        ) from error


@contextmanager
def local_ray(num_cpus: int, *, dashboard: bool = False) -> Iterator[None]:
    """Start Ray for this process, and end it with the block; a running one is used as it is.

    Ray listens on all interfaces of the machine; a token guards it, which only this process and
    its children know, or with a dashboard the user as well.

    Args:
        num_cpus: Slots for runners and learners; not fewer than this machine's cores are offered.
        dashboard: Start Ray's dashboard, on this machine's loopback, and say where it is.

    Raises:
        CommandError: Ray does not start.
    """
    prepare_environment(dashboard=dashboard)
    import ray

    quiet_rllib()
    if ray.is_initialized():  # somebody else's, who will also end it
        yield
        return
    try:
        context = ray.init(
            address="local",
            num_cpus=max(num_cpus, os.cpu_count() or 1),
            include_dashboard=dashboard,
            object_store_memory=OBJECT_STORE_BYTES,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except Exception as error:  # Ray raises no class of its own when it does not come up in time
        raise CommandError(
            f"Ray did not start: {error}; try again on a less busy machine"
        ) from error
    try:
        if dashboard:
            say_dashboard(context.dashboard_url)
        yield
    finally:
        ray.shutdown()


def say_dashboard(url: str | None) -> None:
    """Print where Ray's dashboard is, and how to get past its question for a token."""
    print(f"dashboard: http://{url}{_login()}" if url else "dashboard: none", flush=True)


def _login() -> str:
    """How to get past the dashboard's question for a token."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return ""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return " (token: that of RAY_AUTH_TOKEN)"
    return f" (token: {Path(sys.executable).with_name('ray')} get-auth-token)"


def quiet_rllib() -> None:
    """Silence notices of RLlib and gymnasium that no user of ours can act on."""
    for name in ("ray.rllib", "ray.tune", "ray._private", "ray._common.deprecation"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It prints a traceback for each call to a process that has died; `train` says so in a line.
    logging.getLogger("ray.rllib.utils.actor_manager").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(ray|gymnasium)\b")
    warnings.filterwarnings("ignore", message=".*Overriding environment.*")

"""A child process that ends when we do, however we end.

Law: between us and the child stands a watcher, this file run as a script. It holds the reading end of a
pipe whose writing end only we hold; the pipe closes when we stop the child, return, crash or are killed with
SIGKILL, and then the watcher ends the child. Being the child's parent it reaps it, so the child's id can't
have passed to a stranger. It sits in a session of its own, so a Ctrl-C meant for us reaches neither: whoever
holds the tether ends the child in order, after what depends on it.

A fork of ours that outlives us may hold the pipe open too, so the watcher also looks whether its parent is
still us. On Linux the child dies with the watcher as well (PR_SET_PDEATHSIG, which follows the *thread* that
forked: safe here, where there is only one, and the reason we do not use it on ourselves). Elsewhere on POSIX
only a SIGKILL of the watcher itself can leave the child behind. Standard library only: the watcher starts
without site-packages.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

_LOOK_EVERY_S = 0.2
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Tethered:
    """One child process, from construction to `end`.

    `log` receives the child's output (appended; None: discarded), never the terminal. On `end` the child
    gets SIGTERM and, after `grace_s` seconds, SIGKILL; with 0 only that. Raises OSError when `command` can't
    be started.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path | None = None,
        grace_s: float = 0.0,
        env: Mapping[str, str] | None = None,
        cwd: Path = Path("/"),
    ) -> None:
        watcher = [sys.executable, "-I", "-S", __file__, str(grace_s), *map(str, command)]
        with (log or Path(os.devnull)).open("ab") as output:
            self._watcher = subprocess.Popen(  # noqa: S603 - a fixed interpreter and our own file
                watcher,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
                env=env,
                cwd=cwd,
            )
        assert self._watcher.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        with self._watcher.stdout as answer:
            said = answer.read().decode().strip()
        if not said.isdigit():
            self.end()
            raise OSError(f"can't start {command[0]}: {said or 'its watcher died'}")
        self.pid = int(said)

    def poll(self) -> int | None:
        """Return None while the child runs, then its exit status (negative: the signal that ended it)."""
        status = self._watcher.poll()
        return status if status is None or status < 128 else 128 - status

    def pause(self) -> None:
        """Freeze the child: its connections stay open and nothing answers."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen child go on."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """End the child and return when it is gone; more than once is fine."""
        assert self._watcher.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        self._watcher.stdin.close()
        self._watcher.wait()

    def __enter__(self) -> Tethered:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def _die_with_the_watcher() -> Callable[[], None] | None:
    """Return what a child does first on Linux so that it dies with its parent; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # looked up before the fork
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch(grace_s: float, command: list[str]) -> int:
    """Run `command` until it ends or our parent does; return its exit status as a shell would."""
    parent = os.getppid()
    try:
        child = subprocess.Popen(  # noqa: S603 - the command is our parent's
            command, stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=_die_with_the_watcher()
        )
    except OSError as error:
        print(error.strerror, flush=True)
        return 127
    print(child.pid, flush=True)
    os.close(sys.stdout.fileno())
    while child.poll() is None and os.getppid() == parent:
        if select.select([0], [], [], _LOOK_EVERY_S)[0]:
            break
    if child.poll() is None and grace_s > 0:
        child.terminate()
        child.send_signal(signal.SIGCONT)  # a frozen child hears SIGTERM only once it goes on
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_s)
    child.kill()  # nothing happens to one that has ended
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    # os._exit: standard output is closed already, and the interpreter would stumble over it
    os._exit(_watch(float(sys.argv[1]), sys.argv[2:]))

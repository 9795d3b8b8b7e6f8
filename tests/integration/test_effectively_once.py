"""Nothing is lost, nothing counts twice, no alert goes out twice, whatever happens to workers and brokers.

Each test ends with a worker that follows what is left and is asked to stop; then every thread's whole state,
and the bytes of every alert, must be what the pure core makes of the records on the topic.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from agents.settings import Settings
from agents.topics import topics
from tests.integration import flows
from tests.integration.brokers import Broker
from tests.integration.flows import Process, Record, wait_for

pytestmark = pytest.mark.integration

STORM = flows.storms(seed=7, mentions=30_000, threads=400, viral=40)
PER_S = 3000.0
OUTAGE_S = 20.0


@contextmanager
def arriving(settings: Settings, records: list[Record], per_s: float = PER_S) -> Iterator[threading.Thread]:
    """The records come in beside what happens in the `with`; after it all of them have."""
    thread = threading.Thread(target=flows.produce, args=(settings, records, per_s))
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def written(settings: Settings) -> int:
    return sum(flows.ends(settings, topics(settings).threads_changelog.name).values())


def until_more_is_written(settings: Settings, process: Process) -> None:
    before = written(settings)
    assert wait_for(lambda: written(settings) > before), process.tail()


def finish(settings: Settings, log: Path, records: list[Record], repeated: bool = False) -> None:
    with flows.worker(settings, log) as process:
        finish_with(process, settings)
    flows.check(settings, records, repeated)


def finish_with(process: Process, settings: Settings) -> None:
    """All is followed, the worker is asked to stop, it does so in order and leaves no lag."""
    process.ready()
    assert wait_for(lambda: flows.all_followed(settings) or process.poll() is not None, 90), process.tail()
    os.kill(process.pid, signal.SIGTERM)
    assert process.exit_code(within_s=10) == 0, process.tail()
    assert flows.committed(settings) == all_of(settings)


def all_of(settings: Settings) -> dict[int, int]:
    """The offsets that are to be committed where no mention waits."""
    ends = flows.ends(settings, topics(settings).mentions.name)
    return {number: end for number, end in ends.items() if end}


def test_a_worker_killed_again_and_again(broker: Broker, prefix: str, tmp_path: Path) -> None:
    settings = flows.settings_for(broker, prefix)
    dice = random.Random(1)
    for number in range(3):
        part = STORM[number * len(STORM) // 3 : (number + 1) * len(STORM) // 3]
        with arriving(settings, part), flows.worker(settings, tmp_path / f"{number}.log") as process:
            until_more_is_written(settings, process)
            time.sleep(dice.uniform(0, 0.4))
            os.kill(process.pid, signal.SIGKILL)
            assert process.exit_code(within_s=5) == -signal.SIGKILL
    finish(settings, tmp_path / "last.log", STORM)


KILL = "import os, signal; die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL);"
KILL_POINTS = {
    "with the alerts under way": """
from agents.app import KafkaOutput
alert = KafkaOutput.alert
async def alert_and_die(self, *args):
    sent = await alert(self, *args)
    await sent
    die()
KafkaOutput.alert = alert_and_die
""",
    "after the alerts, before the state": """
from agents.app import KafkaOutput
alert, changelog = KafkaOutput.alert, KafkaOutput.changelog
async def note(self, *args):
    self.noted = True
    return await alert(self, *args)
async def die_after_alerts(self, *args):
    if hasattr(self, "noted"):
        die()
    return await changelog(self, *args)
KafkaOutput.alert, KafkaOutput.changelog = note, die_after_alerts
""",
    "amid the state": """
import asyncio
from agents.app import KafkaOutput
changelog = KafkaOutput.changelog
async def die_before_the_cursor(self, partition, records):
    await asyncio.gather(*await changelog(self, partition, list(records)[:-2]))
    die()
KafkaOutput.changelog = die_before_the_cursor
""",
    "after the state, before the acks": "from agents.follower import Follower; Follower._store = die",
    "after the acks, before the commit": """
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
AIOKafkaConsumerThread._commit = die
""",
}


def test_a_worker_killed_between_the_steps_of_a_flush(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """Each worker dies at its own step, the next begins with what it left behind."""
    settings = flows.settings_for(broker, prefix)
    flows.produce(settings, STORM)
    for number, kill_point in enumerate(KILL_POINTS.values()):
        with flows.worker(settings, tmp_path / f"{number}.log", KILL + kill_point) as process:
            assert process.exit_code(within_s=60) == -signal.SIGKILL, process.tail()
    finish(settings, tmp_path / "last.log", STORM)


def test_a_second_worker_joins_and_leaves(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """Leaves in order, joins again, is killed; meanwhile the first goes on."""
    if broker.name == "embedded":
        pytest.skip("the embedded broker is for one worker")
    settings = flows.settings_for(broker, prefix)
    with flows.worker(settings, tmp_path / "first.log") as first:
        with arriving(settings, STORM, per_s=2500):
            until_more_is_written(settings, first)
            for end in (signal.SIGTERM, signal.SIGKILL):
                with flows.worker(settings, tmp_path / f"{end.name}.log") as second:
                    second.ready()
                    time.sleep(1.0)  # it works for a while
                    os.kill(second.pid, end)
                    code = second.exit_code(within_s=10)
                    assert code == (0 if end == signal.SIGTERM else -end), second.tail()
        # All may be followed by the killed one, which has not committed it: the first reads it again.
        assert wait_for(lambda: flows.committed(settings) == all_of(settings)), first.tail()
        finish_with(first, settings)
    flows.check(settings, STORM)


def test_a_worker_that_was_taken_for_dead(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """It sleeps longer than its session while another takes over, and wakes up with its work in hand.

    It may send an alert that the other has sent as well, in the same bytes; nothing else shows.
    """
    if broker.name == "embedded":
        pytest.skip("the embedded broker is for one worker")
    settings = flows.settings_for(broker, prefix)
    with ExitStack() as stack:
        asleep = stack.enter_context(flows.worker(settings, tmp_path / "asleep.log"))
        with arriving(settings, STORM, per_s=2500):
            until_more_is_written(settings, asleep)
            asleep.pause()
            awake = stack.enter_context(flows.worker(settings, tmp_path / "awake.log"))
            awake.ready()
            until_more_is_written(settings, awake)
            asleep.resume()
            time.sleep(2.0)
            os.kill(asleep.pid, signal.SIGTERM)
            assert asleep.exit_code(within_s=20) is not None, asleep.tail()
        finish_with(awake, settings)
    flows.check(settings, STORM, repeated=True)
    finish(settings, tmp_path / "last.log", STORM, repeated=True)


def test_the_broker_goes_away_and_comes_back(broker: Broker, prefix: str, tmp_path: Path) -> None:
    """One worker lives through it."""
    settings = flows.settings_for(broker, prefix)
    with flows.worker(settings, tmp_path / "worker.log") as process:
        with arriving(settings, STORM):
            until_more_is_written(settings, process)
            with broker.outage():
                time.sleep(OUTAGE_S)
        finish_with(process, settings)
    flows.check(settings, STORM)

"""The tools against real brokers: topics, send, rejects, alerts."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents import clients, topics
from agents.cli import cli
from agents.codec import reject_headers
from agents.errors import TopicsError
from agents.settings import Settings
from streams.alert import encode_alert
from streams.judge import follow
from streams.mention import Decoder, Mention, Reason, Rejected
from streams.params import ThreadParams
from streams.thread import Thread
from tests.integration.brokers import Broker

pytestmark = pytest.mark.integration

START_MS = 1_767_225_600_000


@pytest.fixture
def settings(broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of one's own on the broker, the same for the commands."""
    values = {"BROKERS": broker.bootstrap, "TOPIC_PREFIX": prefix, "PARTITIONS": "3"}
    for name, value in values.items():
        monkeypatch.setenv(f"FLASHOVER_{name}", value)
    return Settings()


@pytest.fixture
def ready(settings: Settings) -> Settings:
    """The same, with its topics made."""
    topics.create_missing(settings)
    return settings


def flashover(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], input=stdin)


def mention(number: int, thread: int = 0) -> bytes:
    record = {
        "id": f"m:{number}",
        "brand": "acme",
        "platform": "mastodon",
        "thread_id": f"m:{thread}",
        "author": {"id": f"someone-{number}"},
        "created_at": START_MS + number * 20_000,
    }
    return json.dumps(record).encode()


def test_topics_are_missing_then_made_then_right(settings: Settings) -> None:
    assert len(topics.check(settings)) == len(topics.topics(settings))
    assert topics.create_missing(settings) == [one.name for one in topics.topics(settings)]
    assert topics.check(settings) == []
    assert topics.create_missing(settings) == []


def test_a_wrong_partition_count_and_a_small_limit_are_told(ready: Settings) -> None:
    """A topic that somebody else made: a thread's state would not be where its mentions are."""
    names = topics.topics(ready)
    other = ready.model_copy(update={"partitions": 4, "max_record_bytes": ready.max_record_bytes + 1})
    problems = topics.check(other)
    assert f"topic {names.mentions.name} has 3 partitions and needs 4" in problems
    assert f"topic {names.threads_changelog.name} has 3 partitions and needs 4" in problems
    assert any("max.message.bytes" in one for one in problems)


def test_alerts_may_have_one_partition_to_as_many_as_mentions(settings: Settings) -> None:
    name = topics.topics(settings).alerts.name
    with clients.admin(settings) as cluster:
        cluster.create([clients.TopicSpec(name, 4, 1, {})])
    assert f"topic {name} has 4 partitions and needs 1 to 3" in topics.check(settings)
    wider = settings.model_copy(update={"partitions": 4})
    assert not any(name in one for one in topics.check(wider))


def test_send_puts_what_is_right_under_its_thread_and_tells_the_rest(ready: Settings, tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b"\n".join([*(mention(n, n % 5) for n in range(500)), b"{}"]))
    result = flashover("send", path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"sent": 500, "refused": {"bad-field": 1}}
    assert f"{path}:501: bad-field" in result.stderr
    records = list(clients.read(ready, topics.topics(ready).mentions.name))
    assert sorted(one.value or b"" for one in records) == sorted(mention(n, n % 5) for n in range(500))
    assert all(json.loads(one.value or b"")["thread_id"].encode() == one.key for one in records)
    homes = {(one.key, one.partition) for one in records}
    assert len(homes) == 5  # a thread lives in one partition


def test_a_record_as_big_as_allowed_gets_through(ready: Settings) -> None:
    record = json.loads(mention(1)) | {"text": "x" * (ready.max_record_bytes - 1000)}
    assert flashover("send", "-", stdin=json.dumps(record).encode()).exit_code == 0


def test_sending_makes_no_topic(settings: Settings) -> None:
    """A topic of the broker's own making would have the wrong partition count."""
    result = flashover("send", "-", stdin=mention(1))
    assert result.exit_code == 4
    assert "is missing: `flashover topics create` makes it" in result.stderr
    assert len(topics.check(settings)) == len(topics.topics(settings))


def test_reading_a_missing_topic_says_so(settings: Settings) -> None:
    assert flashover("alerts").exit_code == 4
    with pytest.raises(TopicsError):
        list(clients.read(settings, topics.topics(settings).rejects.name))


def reject(
    settings: Settings, records: list[tuple[bytes | None, bytes | None, Reason]], cut: bytes | None = None
) -> None:
    """Write to the topic as the worker does."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=list(settings.brokers), enable_idempotence=False)
    for offset, (key, value, reason) in enumerate(records):
        headers = reject_headers(Rejected(reason, "why \x1b[2J"), "mentions", 0, offset * 10)
        headers += [("cut", cut)] if cut is not None else []
        sent = producer.send(
            topics.topics(settings).rejects.name, value=value, key=key, headers=headers, partition=0
        )
        sent.get(timeout=30)  # one after the other: a retried send may come behind the next
    producer.close()


def test_rejects_are_listed_and_driven_again_once(ready: Settings) -> None:
    right, broken = mention(7), b"\xff\x00"
    reject(
        ready,
        [
            (b"wrong key", right, Reason.KEY_MISMATCH),
            (None, broken, Reason.NOT_JSON),
            (b"k", None, Reason.EMPTY),
        ],
    )
    listed = flashover("rejects", "list")
    assert "\x1b" not in listed.output
    assert "those after them: --since 0:3" in listed.stderr
    raw = [json.loads(line) for line in flashover("rejects", "list", "--json").stdout.splitlines()]
    assert [one["reason"] for one in raw] == ["key-mismatch", "not-json", "empty"]
    assert [one["origin"]["offset"] for one in raw] == [0, 10, 20]
    assert (raw[0]["raw"], raw[1]["raw_base64"], raw[2]["raw"]) == (right.decode(), "/wA=", None)
    (one,) = flashover("rejects", "list", "--offset", "10").stdout.splitlines()
    assert "not-json" in one

    mentions = topics.topics(ready).mentions.name
    assert json.loads(flashover("rejects", "redrive", "--dry-run", "--json").stdout)["sent"] == 1
    assert list(clients.read(ready, mentions)) == []
    result = flashover("rejects", "redrive", "--json")
    assert result.exit_code == 1  # two are still wrong
    answer = json.loads(result.stdout)
    assert answer == {"sent": 1, "wrong": 2, "cut": 0, "dry_run": False, "next": "0:3"}
    again = flashover("rejects", "redrive", "--json", "--since", answer["next"])
    assert (again.exit_code, json.loads(again.stdout)["sent"]) == (0, 0)
    (record,) = clients.read(ready, mentions)
    assert (record.key, record.value) == (b"m:0", right)

    flashover("rejects", "redrive", "--force", "--reason", "not-json", "--limit", "1")
    assert [(one.key, one.value) for one in clients.read(ready, mentions) if one.value != right] == [
        (None, broken)
    ]


def test_a_reject_that_was_cut_is_never_driven_again(ready: Settings) -> None:
    """Its beginning may even pass as a mention by itself: that is not what was sent."""
    reject(ready, [(b"m:0", mention(7), Reason.KEY_MISMATCH)], cut=b"9000000")
    (listed,) = flashover("rejects", "list", "--json").stdout.splitlines()
    assert json.loads(listed)["cut_from"] == 9_000_000
    for force in ((), ("--force",)):
        result = flashover("rejects", "redrive", *force, "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout) == {
            "sent": 0, "wrong": 0, "cut": 1, "dry_run": False, "next": "0:1"
        }  # fmt: skip
    assert "only the beginning of its 9000000 bytes was kept" in flashover("rejects", "redrive").output
    assert list(clients.read(ready, topics.topics(ready).mentions.name)) == []


def test_alerts_are_shown_by_brand_and_time(ready: Settings) -> None:
    thread: Thread | None = None
    decoder, raised = Decoder(), []
    for number in range(100):
        one = decoder.decode(mention(number), START_MS * 2)
        assert isinstance(one, Mention)
        followed = follow(thread, one, ThreadParams())
        assert followed is not None
        thread, alert = followed.thread, followed.alert
        if alert is not None:
            raised.append(encode_alert(alert))
    with clients.sender(ready, topics.topics(ready).alerts.name) as out:
        for value in raised:
            out.send(b"acme", value)
        out.send(b"acme", b"not an alert")
    result = flashover("alerts", "--json", "--brand", "acme", "--since", "2026-01-01T00:00:00Z")
    assert result.stdout_bytes.splitlines() == raised
    assert "1 records on the topic are no alerts" in result.stderr
    assert "PAGE" in flashover("alerts").stdout
    assert flashover("alerts", "--brand", "other").stdout == ""
    none = flashover("alerts", "--since", "2026-01-03T00:00:00Z")
    assert none.stdout == ""
    assert "no alerts since 2026-01-03T00:00:00Z, by the time of the mentions\n" in none.stderr


def test_the_live_topic_is_tuned_on(ready: Settings) -> None:
    """What began within the time counts; what was sent and is older, does not."""
    now_ms = time.time_ns() // 1_000_000
    day_ms = 86_400_000
    begins = {0: now_ms - 3 * day_ms, 1000: now_ms - 2 * day_ms, 2000: now_ms - 30 * day_ms}
    with clients.sender(ready, topics.topics(ready).mentions.name) as out:
        for first, at in begins.items():
            for number in range(150 if first == 0 else 20):
                record = json.loads(mention(first + number, first))
                record["created_at"] = at + number * 20_000
                out.send(f"m:{first}".encode(), json.dumps(record, indent=1).encode())
    result = flashover("tune", "--last", "14d", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["threads"], answer["storms"]) == (2, 1)
    assert answer["settings"][answer["best"]]["recall"] == 1.0


def test_records_are_read_from_a_time_on(ready: Settings) -> None:
    """As the record says when it was sent, whatever else is in its batch."""
    from kafka import KafkaProducer

    name = topics.topics(ready).mentions.name
    producer = KafkaProducer(bootstrap_servers=list(ready.brokers), enable_idempotence=False)
    for number in range(10):
        producer.send(name, value=b"%d" % number, partition=number % 2, timestamp_ms=START_MS + number)
    producer.close()
    read = [one.value for one in clients.read(ready, name, since_ms=START_MS + 6)]
    assert sorted(one or b"" for one in read) == [b"6", b"7", b"8", b"9"]
    assert len(list(clients.read(ready, name))) == 10
    assert list(clients.read(ready, name, since_ms=START_MS + 10)) == []


def test_check_is_content_once_the_topics_are_made(settings: Settings) -> None:
    assert flashover("check").exit_code == 1
    assert flashover("topics", "create").exit_code == 0
    result = flashover("check", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["ok"]

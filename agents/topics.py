"""The topics: their names and what each must be, in one place; made and checked by an admin step.

Law of this file: a topic that is not in `topics` is unknown to flashover. The worker never makes a topic
and never alters one: a wrong partition count puts a thread's mentions into other partitions than its
state, so that is checked before work begins and put right by a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from agents.clients import TopicSpec, admin
from agents.settings import Settings

__all__ = ["Spec", "Topics", "check", "create_missing", "topics"]


_TWO_DAYS_MS = 2 * 86_400_000
_NINETY_DAYS_MS = 90 * 86_400_000


@dataclass(frozen=True, slots=True)
class Spec:
    """What one topic must be: made with `partitions`, right with `at_least` to `at_most` of them."""

    name: str
    partitions: int
    at_least: int
    at_most: int
    replication: int
    configs: Mapping[str, str]


class Topics(NamedTuple):
    """Every topic there is.

    Keys: thread_id for mentions, holds and the changelog of threads, brand for brand-pulse, the changelog of
    brands, alerts and commands, any for rejects, a brand or `*` for thresholds, a brand for usual, brand and
    partition for shadow, an incident's id for incidents and pages, source and place for cursors, the
    brand for audit.
    """

    mentions: Spec
    brand_pulse: Spec
    alerts: Spec
    rejects: Spec
    thresholds: Spec
    shadow: Spec
    usual: Spec
    threads_changelog: Spec
    brands_changelog: Spec
    commands: Spec
    incidents: Spec
    holds: Spec
    pages: Spec
    cursors: Spec
    audit: Spec


def topics(settings: Settings) -> Topics:
    """The topics under these settings, the prefix on every name.

    The thread topics share one count of partitions, because a thread's state lives where its mentions are,
    and the brand topics have the same, because Faust assigns all that one worker reads together.
    Alerts are few, and rejects should be: one partition each keeps them in order; up to `partitions` will do.
    """
    count = settings.partitions
    big = {"max.message.bytes": str(settings.max_record_bytes)}

    def spec(name: str, partitions: int, at_least: int, configs: dict[str, str]) -> Spec:
        return Spec(settings.topic_prefix + name, partitions, at_least, count, settings.replication, configs)

    return Topics(
        mentions=spec("mentions", count, count, big),
        # Read within seconds; what is older is of use to nobody.
        brand_pulse=spec("brand-pulse", count, count, {"retention.ms": str(_TWO_DAYS_MS)}),
        alerts=spec("alerts", 1, 1, {}),
        # The raw bytes come back with headers that say why, hence a little more room.
        rejects=spec("rejects", 1, 1, {"max.message.bytes": str(settings.max_record_bytes + 65_536)}),
        # What was set lately stays readable, not only what holds: that is the history.
        thresholds=spec(
            "thresholds", 1, 1, {"cleanup.policy": "compact", "min.compaction.lag.ms": str(_NINETY_DAYS_MS)}
        ),
        shadow=spec("shadow", 1, 1, {"cleanup.policy": "compact"}),
        usual=spec("usual", 1, 1, {"cleanup.policy": "compact"}),
        # A big thread remembers the id of each of its mentions, so its state may pass Kafka's usual 1 MB.
        threads_changelog=spec(
            f"{settings.app_id}-threads-changelog", count, count, {"cleanup.policy": "compact", **big}
        ),
        brands_changelog=spec(
            f"{settings.app_id}-brands-changelog", count, count, {"cleanup.policy": "compact", **big}
        ),
        # Who asked for what, and whom we tried to reach: kept for those who ask afterwards.
        commands=spec("commands", 1, 1, {"retention.ms": str(_NINETY_DAYS_MS)}),
        incidents=spec("incidents", 1, 1, {"cleanup.policy": "compact"}),
        holds=spec("holds", 1, 1, {"cleanup.policy": "compact"}),
        pages=spec("pages", 1, 1, {"retention.ms": str(_NINETY_DAYS_MS)}),
        cursors=spec("cursors", 1, 1, {"cleanup.policy": "compact"}),
        audit=spec("audit", 1, 1, {"retention.ms": str(_NINETY_DAYS_MS)}),
    )


def create_missing(settings: Settings) -> list[str]:
    """Make the topics that are not there; the names of those that were made. Existing ones stay as they are.

    Raises BrokerError, and TopicsError if the cluster refuses one.
    """
    wanted = topics(settings)
    with admin(settings) as cluster:
        there = cluster.partitions([spec.name for spec in wanted])
        missing = [spec for spec in wanted if there[spec.name] is None]
        if missing:
            cluster.create([TopicSpec(s.name, s.partitions, s.replication, s.configs) for s in missing])
        return [spec.name for spec in missing]


def check(settings: Settings) -> list[str]:
    """A sentence for every topic that is missing or wrong; none means that work may begin.

    Raises BrokerError if no broker answers.
    """
    wanted = topics(settings)
    with admin(settings) as cluster:
        there = cluster.partitions([spec.name for spec in wanted])
        configs = cluster.configs([spec.name for spec in wanted if there[spec.name] is not None])
    problems = []
    for spec in wanted:
        problems += _problems(spec, there[spec.name], configs.get(spec.name, {}))
    alerts = there[wanted.alerts.name]
    for spec in (wanted.commands, wanted.incidents):
        if alerts is not None and there[spec.name] not in (None, alerts):
            problems.append(
                f"topic {spec.name} has {there[spec.name]} partitions and {wanted.alerts.name} has {alerts}: "
                "they must have the same, or commands and alerts of a brand do not meet"
            )
    return problems


def _problems(spec: Spec, partitions: int | None, configs: Mapping[str, str]) -> list[str]:
    if partitions is None:
        return [f"topic {spec.name} is missing: `flashover topics create` makes it"]
    problems = []
    if not spec.at_least <= partitions <= spec.at_most:
        right = str(spec.at_least) if spec.at_least == spec.at_most else f"{spec.at_least} to {spec.at_most}"
        problems.append(f"topic {spec.name} has {partitions} partitions and needs {right}")
    # A cluster need not tell its configuration; what it does not tell is no problem.
    limit = configs.get("max.message.bytes", "")
    if limit.isdecimal() and int(limit) < int(spec.configs.get("max.message.bytes", 0)):
        problems.append(
            f"topic {spec.name} takes records of {limit} bytes at most and needs "
            f"max.message.bytes={spec.configs['max.message.bytes']}"
        )
    policy = configs.get("cleanup.policy")
    if policy is not None and "cleanup.policy" in spec.configs and policy != spec.configs["cleanup.policy"]:
        problems.append(
            f"topic {spec.name} has cleanup.policy={policy} and needs {spec.configs['cleanup.policy']}: "
            "state would be forgotten"
        )
    return problems

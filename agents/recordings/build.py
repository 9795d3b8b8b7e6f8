"""Writes the bundled recording from its authored texts: the same sources give the same bytes.

Its law: every text comes out of the TOML files beside it, every storm's pace out of storm-timing.json, and
chance only out of `Chance`, which is seeded. Nothing is read from the clock, the environment or the network.

    python -m agents.recordings.build      writes two-storms.jsonl.gz
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from agents.recordings.cast import DAY_S, Chance, People, share_of_day
from agents.recordings.script import Beat, Busy, Calm, Script, Storm, read_script
from agents.recordings.timing import TIMING

FOLDER = Path(__file__).parent
RECORDING = FOLDER / "two-storms.jsonl.gz"
SCRIPTS = (FOLDER / "murmeltel.toml", FOLDER / "thistledown-air.toml")

DAY = datetime(2025, 6, 12, tzinfo=UTC)  # a Thursday in June, as the day whose pace it borrows
SEED = 20250612

# Mentions that a calm thread is written for, the desk's included.
CALM_SIZES = (1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 10, 12, 15, 18)
# What a storm's mention is, in hundredths; the rest are replies.
SHARE_PERCENT, QUOTE_PERCENT, SHORT_PERCENT = 26, 12, 14

Mention = dict[str, Any]


@dataclass
class Thread:
    """A thread as it is written: gives ids, refuses to run backwards, counts what its root shows."""

    script: Script
    platform: str
    chance: Chance
    mentions: list[Mention] = field(default_factory=list)

    def say(
        self, at_s: int, author: dict[str, Any], text: str, parent: Mention | None = None, kind: str = "reply"
    ) -> Mention:
        """Appends one mention at `at_s` seconds of the day (int, [0, 86400)) and returns it."""
        if not 0 <= at_s < DAY_S or (self.mentions and at_s < self.mentions[-1]["at_s"]):
            raise ValueError(f"a thread cannot continue at {at_s} s")
        own_id = f"{self.platform}:{self._serial(at_s)}"
        mention: Mention = {
            "at_s": at_s,
            "id": own_id,
            "brand": self.script.brand,
            "platform": self.platform,
            "thread_id": self.mentions[0]["id"] if self.mentions else own_id,
            "parent_id": parent["id"] if parent else None,
            "kind": kind if parent else "post",
            "author": author,
        }
        if author["id"] == self.script.account.id:
            mention["from_brand"] = True
        mention["text"] = text
        if text and not self.chance.happens(8):
            mention["lang"] = self.script.lang
        mention["created_at"] = (DAY + timedelta(seconds=at_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if parent is None or self.chance.happens(30):
            mention["url"] = f"https://example.org/@{author['handle']}/{own_id.partition(':')[2]}"
        if self.mentions and self.chance.happens(12):
            mention["reactions"] = self._reactions()
        self.mentions.append(mention)
        return mention

    def _serial(self, at_s: int) -> str:
        """Made up, shaped as the platform's own: both carry the time in front of a counter."""
        ms = int(DAY.timestamp() + at_s) * 1000 + self.chance.below(1000)
        if self.platform == "mastodon":
            return str((ms << 16) + self.chance.below(1 << 16))
        number = (ms * 1000 << 10) + self.chance.below(1 << 10)
        alphabet = "234567abcdefghijklmnopqrstuvwxyz"
        return "".join(alphabet[number >> shift & 31] for shift in range(60, -1, -5))

    def _reactions(self) -> dict[str, int]:
        """Counters of the root, growing with what the thread has seen."""
        kinds = [mention["kind"] for mention in self.mentions]
        shares = kinds.count("share") + kinds.count("quote")
        likes = 3 * len(kinds) + 5 * shares
        return {"likes": likes, "shares": shares, "replies": kinds.count("reply"), "views": 41 * likes}


def at(mention: Mention) -> str:
    """How a text addresses a mention's author."""
    return f"@{mention['author']['handle']}"


def seconds(clock: str, utc_offset_h: int = 0) -> int:
    """Seconds since midnight UTC of a local HH:MM."""
    hours, minutes = clock.split(":")
    return ((int(hours) - utc_offset_h) * 60 + int(minutes)) * 60


def storm_offsets_s(storm: Storm, real_offsets_s: Sequence[int]) -> list[int]:
    """When the storm's crowd speaks (s of the day): the real pace thinned, stretched, cut at midnight."""
    start_s = seconds(storm.start)
    out = [start_s + round(offset * storm.stretch) for offset in real_offsets_s[:: storm.thin]]
    return [at_s for at_s in out if at_s < DAY_S]


def storm_kinds(times_s: Sequence[int], storm: Storm, chance: Chance) -> list[str]:
    """What each of the crowd's mentions is: reply, short (a reply to a reply), quote or share."""
    loud = {amplifier.after for amplifier in storm.amplifiers}
    kinds = []
    for index in range(len(times_s)):
        drawn = chance.below(100)
        if index in loud or drawn < SHARE_PERCENT:
            kinds.append("share")
        elif drawn < SHARE_PERCENT + QUOTE_PERCENT:
            kinds.append("quote")
        elif drawn < SHARE_PERCENT + QUOTE_PERCENT + SHORT_PERCENT and index > 5:
            kinds.append("short")
        else:
            kinds.append("reply")
    return kinds


def storm_lines(kinds: Sequence[str], storm: Storm, chance: Chance) -> dict[int, str]:
    """The line of every reply by its index: each authored line at most once, then openings with cores.

    After the brand spoke in its own words nobody says an opening and a core (they were written in anger):
    replies without a line are left out and become shares.
    """
    turns = [(0, "before"), *((beat.after + 1, beat.opens) for beat in storm.beats if beat.opens is not None)]
    spoken = min((beat.after for beat in storm.beats if beat.who == "own-words"), default=len(kinds))
    pairs = chance.shuffled([f"{a} {b}" for a, b in product(storm.crowd.openings, storm.crowd.cores)])
    lines: dict[int, str] = {}
    for (begin, phase), (end, _) in zip(turns, [*turns[1:], (len(kinds), "")], strict=True):
        places = [i for i in range(max(begin, 1), end) if kinds[i] == "reply"]
        pool = chance.shuffled(storm.crowd.lines[phase])[: len(places)]
        while len(pool) < len(places) and begin <= spoken:
            pool.append(pairs.pop())
        places = chance.shuffled(places)[: len(pool)]
        lines |= dict(zip(places, pool, strict=True))
    return lines


def write_storm(
    script: Script, real_offsets_s: Sequence[int], people: People, chance: Chance
) -> list[Mention]:
    """The storm's thread: root, crowd at the real pace, and every beat where the script puts it."""
    storm, crowd = script.storm, script.storm.crowd
    times_s = storm_offsets_s(storm, real_offsets_s)
    kinds = storm_kinds(times_s, storm, chance)
    lines = storm_lines(kinds, storm, chance)
    loud = {amplifier.after: amplifier.followers for amplifier in storm.amplifiers}
    brand: dict[str, Any] = msgspec.to_builtins(script.account)
    thread = Thread(script, storm.platform, chance)
    op = people.newcomer(thread.platform, 312)
    root = thread.say(times_s[0], op, storm.root)
    said: dict[str, Mention] = {"root": root}
    talkers: list[Mention] = []  # replies of the crowd, the last ones first in mind
    desk: Mention | None = None  # what the brand said last
    quotes = crowd.quotes
    agenda: list[tuple[int, int | Beat]] = [(at_s, index) for index, at_s in enumerate(times_s) if index]
    agenda += [(times_s[beat.after] + beat.delay_s, beat) for beat in storm.beats]

    for at_s, what in sorted(agenda, key=lambda item: item[0]):
        if isinstance(what, Beat):
            parent = chance.pick(talkers[-12:]) if what.to == "crowd" else said[what.to]
            author = op if what.who == "op" else brand
            if what.who == "crowd":
                author = people.newcomer(thread.platform, 96)
            text = what.text.replace("{op}", at(root)).replace("{to}", at(parent))
            said[what.name] = thread.say(at_s, author, text, parent)
            if author is brand:
                desk = said[what.name]
                quotes = [*crowd.quotes, *crowd.quotes_answered]
            if what.who == "own-words":
                quotes = crowd.quotes_late
                talkers.clear()  # nobody goes on arguing with what was said in anger
            continue
        author = (
            people.newcomer(thread.platform, loud[what]) if what in loud else people.someone(thread.platform)
        )
        kind = kinds[what] if kinds[what] != "reply" or what in lines else "share"
        if kind == "share":
            thread.say(at_s, author, "", root, "share")
        elif kind == "quote":
            thread.say(at_s, author, chance.pick(quotes), root, "quote")
        elif kind == "short" and talkers:
            thread.say(at_s, author, chance.pick(crowd.short), chance.pick(talkers[-15:]))
        else:
            line = lines.get(what) or chance.pick(crowd.short)
            to = desk if desk is not None and chance.happens(45) else root
            parent = chance.pick(talkers[-25:]) if talkers and chance.happens(20) else to
            talkers.append(thread.say(at_s, author, line.replace("{op}", at(root)), parent))
    return thread.mentions


def desk_answers_at_s(script: Script, asked_s: int, chance: Chance, after_min: float | None) -> int | None:
    """When the desk answers a calm root: after its usual time, within its hours; None if the day is over."""
    opens_s, closes_s = (seconds(f"{hour}:00", script.utc_offset_h) for hour in script.desk_hours)
    wait_min = after_min or chance.lognormal(script.reply_after_median_min, 0.5)
    answered_s = int(max(asked_s, opens_s - 1800) + wait_min * 60)
    return answered_s if opens_s <= answered_s < closes_s else None


def write_calm(script: Script, calm: Calm, asked_s: int, people: People, chance: Chance) -> list[Mention]:
    """One calm thread: a root, a few others, the desk, perhaps a thank-you and a friendly line."""
    brand: dict[str, Any] = msgspec.to_builtins(script.account)
    thread = Thread(script, chance.pick(("mastodon", "bluesky")), chance)
    op = people.someone(thread.platform, 85)
    root = thread.say(asked_s, op, calm.root)
    others = chance.pick(CALM_SIZES) - 2
    fitting = [*script.small_talk.crowd, *(script.small_talk.asked if "?" in calm.root else ())]
    texts = [*calm.replies, *chance.shuffled(fitting)][: max(0, others)]
    agenda: list[tuple[int, str, str]] = []
    now_s = asked_s
    for text in texts:
        now_s += int(chance.lognormal(14 * 60, 1.0))
        agenda.append((now_s, "share" if text not in calm.replies and chance.happens(10) else "other", text))
    desk_s = desk_answers_at_s(script, asked_s, chance, calm.desk_after_min)
    if desk_s and others >= 0:
        agenda.append((desk_s, "desk", ""))
        thanks_s = desk_s + int(chance.lognormal(600, 0.8))
        if calm.thanks:
            agenda.append((thanks_s, "thanks", calm.thanks))
            if chance.happens(50):
                agenda.append(
                    (
                        thanks_s + int(chance.lognormal(900, 0.6)),
                        "welcome",
                        chance.pick(script.small_talk.desk),
                    )
                )
    said: dict[str, Mention] = {"root": root}
    for at_s, who, text in sorted(agenda):
        if at_s >= DAY_S:
            break
        match who:
            case "desk" if calm.canned:
                block = chance.pick(script.small_talk.canned).replace("{to}", at(root))
                said["desk"] = thread.say(at_s, brand, block, root)
            case "desk":
                said["desk"] = thread.say(at_s, brand, calm.desk, root)
            case "thanks":
                said["thanks"] = thread.say(at_s, op, text, said["desk"])
            case "welcome":
                thread.say(at_s, brand, text, said["thanks"])
            case "share":
                thread.say(at_s, people.someone(thread.platform), "", root, "share")
            case _:
                last = said.get("other", root)
                said["other"] = thread.say(
                    at_s, people.someone(thread.platform), text, last if chance.happens(35) else root
                )
    return thread.mentions


def write_busy(script: Script, busy: Busy, people: People, chance: Chance) -> list[Mention]:
    """A give-away or a question: answers spread over the whole day, one in each equal slice of it."""
    brand: dict[str, Any] = msgspec.to_builtins(script.account)
    thread = Thread(script, busy.platform, chance)
    start_s = seconds(busy.start)
    root = thread.say(start_s, brand, busy.root)
    pairs = chance.shuffled([f"{a} {b}" for a, b in product(busy.first, busy.second)])
    texts = chance.shuffled([*busy.plain, *pairs[: busy.mentions - len(busy.plain)]])
    low = share_of_day(start_s, script.utc_offset_h)
    width = (1 - low) / len(texts)
    times_s = sorted(
        chance.daytime_s(low + i * width, low + (i + 1) * width, script.utc_offset_h)
        for i in range(len(texts))
    )
    answers = {answer.to: answer.text for answer in busy.desk}
    closes_s = seconds(f"{script.desk_hours[1]}:00", script.utc_offset_h)
    due: list[tuple[int, str, Mention]] = []  # what the desk is about to say
    for at_s, text in zip(times_s, texts, strict=True):
        at_s = max(at_s, start_s + 60)
        while due and due[0][0] <= at_s:
            thread.say(due[0][0], brand, *due.pop(0)[1:])
        share = text not in busy.plain and chance.happens(15)
        person = people.someone(thread.platform, 85)
        mention = thread.say(at_s, person, "" if share else text, root, "share" if share else "reply")
        if text in answers:
            answered_s = max([at_s + int(chance.lognormal(1500, 0.5)), *(d[0] for d in due)])
            if answered_s < closes_s:
                due.append((answered_s, answers[text], mention))
    return thread.mentions


def write_day(script: Script, real_offsets_s: Sequence[int], seed: int) -> Iterator[Mention]:
    """One brand's day: its storm, its calm threads, its busy ones."""
    chance = Chance(seed)
    people = People(script, chance)
    for index, calm in enumerate(chance.shuffled(script.calm)):
        if calm.local_time:
            asked_s = seconds(calm.local_time, script.utc_offset_h)
        else:
            asked_s = chance.daytime_s(
                index / len(script.calm), (index + 1) / len(script.calm), script.utc_offset_h
            )
        yield from write_calm(script, calm, asked_s, people, chance)
    for busy in script.busy:
        yield from write_busy(script, busy, people, chance)
    yield from write_storm(script, real_offsets_s, people, chance)


def build() -> bytes:
    """The whole recording as JSON lines, sorted by created_at."""
    real_offsets_s = json.loads(TIMING.read_bytes())["offsets_s"]
    mentions = [
        mention
        for number, path in enumerate(SCRIPTS)
        for mention in write_day(read_script(path), real_offsets_s, SEED + number)
    ]
    mentions.sort(key=lambda mention: mention["at_s"])  # stable: a parent of the same second stays in front
    lines = ({k: v for k, v in mention.items() if k != "at_s"} for mention in mentions)
    return b"".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines
    )


def pack(content: bytes) -> bytes:
    """Gzip without a name or a time, so that only the content (and zlib's own version) decides the bytes."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as packed:
        packed.write(content)
    return out.getvalue()


if __name__ == "__main__":
    RECORDING.write_bytes(pack(build()))

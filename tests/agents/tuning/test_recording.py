"""The bundled recording is what its sources say, keeps the wire form and tells its two stories."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import msgspec
import pytest

import streams.mention
from agents.commands.replay import Replay
from agents.recordings.build import RECORDING, SCRIPTS, build, pack
from agents.recordings.script import Script, read_script
from agents.recordings.timing import TIMING, derive_timing
from agents.settings import Settings
from streams.mention import Decoder

ScriptOf = dict[str, Script]
Mention = dict[str, Any]
KNOWN = {
    "id", "brand", "platform", "thread_id", "parent_id", "kind", "author", "from_brand",
    "text", "lang", "created_at", "url", "reactions",
}  # fmt: skip
SHARED = Path(os.environ.get("FLASHOVER_DATA", Path(__file__).parents[4] / "shared/data"))
STORM_DATA = SHARED / "storm-ichbinhanna.jsonl.gz"


@pytest.fixture(scope="module")
def scripts() -> ScriptOf:
    return {script.brand: script for script in map(read_script, SCRIPTS)}


@pytest.fixture(scope="module")
def mentions() -> list[Mention]:
    with gzip.open(RECORDING, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def threads(mentions: list[Mention]) -> list[list[Mention]]:
    by_id: dict[str, list[Mention]] = defaultdict(list)
    for mention in mentions:
        by_id[mention["thread_id"]].append(mention)
    return list(by_id.values())


@pytest.fixture(scope="module")
def storms(threads: list[list[Mention]], scripts: ScriptOf) -> dict[str, list[Mention]]:
    return {t[0]["brand"]: t for t in threads if t[0]["text"] == scripts[t[0]["brand"]].storm.root}


def when(mention: Mention) -> datetime:
    return datetime.fromisoformat(mention["created_at"])


def public(thread: list[Mention]) -> list[Mention]:
    return [mention for mention in thread if not mention.get("from_brand")]


def most_within(thread: list[Mention], span: timedelta) -> int:
    """The most public mentions that any window of this length holds."""
    times = [when(mention) for mention in public(thread)]
    return max((sum(begin <= time < begin + span for time in times) for begin in times), default=0)


def of_beat(storm: list[Mention], script: Script, name: str) -> Mention:
    """The mention that a beat of the script became: same words, whoever is addressed."""
    text = next(beat.text for beat in script.storm.beats if beat.name == name)
    words = re.compile("@?[a-z_0-9]+".join(re.escape(part) for part in re.split(r"\{(?:op|to)\}", text)))
    return next(mention for mention in storm if words.fullmatch(mention["text"]))


def authored(script: Script) -> set[str]:
    """Every text that the sources allow, with all handles as `@`."""
    storm, talk = script.storm, script.small_talk
    lines = {storm.root, *(beat.text for beat in storm.beats), *storm.crowd.short, *talk.crowd, *talk.asked}
    lines |= {line for phase in storm.crowd.lines.values() for line in phase}
    lines |= {f"{a} {b}" for a, b in product(storm.crowd.openings, storm.crowd.cores)}
    lines |= {
        *storm.crowd.quotes,
        *storm.crowd.quotes_answered,
        *storm.crowd.quotes_late,
        *talk.desk,
        *talk.canned,
    }
    for calm in script.calm:
        lines |= {calm.root, *calm.replies, calm.desk, calm.thanks or ""}
    for busy in script.busy:
        lines |= {busy.root, *busy.plain, *(answer.text for answer in busy.desk)}
        lines |= {f"{a} {b}" for a, b in product(busy.first, busy.second)}
    return {re.sub(r"\{(op|to)\}", "@", line) for line in lines} | {""}


def test_rebuilding_gives_the_same_bytes() -> None:
    """The checked-in recording is what the sources give; gzip adds neither time nor name.

    Compared unpacked, because another zlib may deflate the same content otherwise.
    """
    packed = RECORDING.read_bytes()
    content = build()
    assert gzip.decompress(packed) == content
    assert packed[:8] == pack(content)[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_every_line_keeps_the_wire_form(mentions: list[Mention]) -> None:
    """Required fields, types, ranges and kinds are those of a mention."""
    for mention in mentions:
        assert set(mention) <= KNOWN
        assert all(isinstance(mention[name], str) and mention[name] for name in ("id", "brand", "platform"))
        assert mention["id"].startswith(mention["platform"] + ":")
        assert mention["kind"] in {"post", "reply", "quote", "share"}
        assert (mention["kind"] == "post") == (mention["parent_id"] is None)
        assert (mention["id"] == mention["thread_id"]) == (mention["kind"] == "post")
        assert set(mention["author"]) == {"id", "handle", "followers"}
        assert isinstance(mention["author"]["id"], str)
        assert isinstance(mention["author"]["followers"], int)
        assert mention["author"]["followers"] >= 0
        assert mention.get("from_brand", True) is True
        assert isinstance(mention["text"], str)
        assert len(mention["text"]) <= 10_000
        assert mention.get("lang", "de") in {"de", "en"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", mention["created_at"])
        assert mention.get("url", "https://example.org/").startswith("https://example.org/")
        assert all(isinstance(n, int) and n >= 0 for n in mention.get("reactions", {}).values())


def test_one_day_in_order(mentions: list[Mention]) -> None:
    """Sorted by created_at, all on one UTC day, and 1,500 to 2,500 of them."""
    times = [when(mention) for mention in mentions]
    assert times == sorted(times)
    assert len({time.date() for time in times}) == 1
    assert 1500 <= len(mentions) <= 2500


def test_ids_are_unique_and_parents_come_first(mentions: list[Mention]) -> None:
    """A reader that goes line by line knows every parent, within the same thread."""
    thread_of: dict[str, str] = {}
    for mention in mentions:
        assert mention["id"] not in thread_of
        if mention["parent_id"] is not None:
            assert thread_of[mention["parent_id"]] == mention["thread_id"]
        thread_of[mention["id"]] = mention["thread_id"]


def test_counters_of_a_root_never_fall(threads: list[list[Mention]]) -> None:
    """Snapshots of reactions grow with the thread."""
    for thread in threads:
        seen = [mention["reactions"] for mention in thread if "reactions" in mention]
        for earlier, later in pairwise(seen):
            assert all(earlier[name] <= later[name] for name in earlier)


def test_every_text_is_ours(mentions: list[Mention], scripts: ScriptOf) -> None:
    """No word in the recording comes from anywhere but the authored sources."""
    allowed = {brand: authored(script) for brand, script in scripts.items()}
    for mention in mentions:
        assert re.sub(r"@[a-z]+_[a-z]+\d+", "@", mention["text"]) in allowed[mention["brand"]]


def test_the_crowd_has_enough_to_say(scripts: ScriptOf) -> None:
    """At least 120 distinct authored replies for each storm, none twice."""
    for script in scripts.values():
        lines = [line for phase in script.storm.crowd.lines.values() for line in phase]
        assert len(lines) == len(set(lines)) >= 120


@pytest.mark.parametrize(("brand", "least", "most"), [("murmeltel", 400, 700), ("thistledown-air", 250, 400)])
def test_storms_are_as_large_as_told(
    storms: dict[str, list[Mention]], brand: str, least: int, most: int
) -> None:
    """Public mentions of the storm's thread within its day."""
    assert least <= len(public(storms[brand])) <= most


@pytest.mark.parametrize("brand", ["murmeltel", "thistledown-air"])
def test_a_text_block_comes_while_a_person_could_have_acted(
    storms: dict[str, list[Mention]], scripts: ScriptOf, brand: str
) -> None:
    """At the 25th mention 20 minutes and more are left and most is still to come; then it grows faster."""
    storm = storms[brand]
    page = when(public(storm)[24])
    canned = when(of_beat(storm, scripts[brand], "canned-1"))
    times = [when(mention) for mention in public(storm)]
    assert canned - page >= timedelta(minutes=20)
    assert 40 <= sum(time < canned for time in times) <= 60
    assert sum(time > page for time in times) / len(times) > 0.9
    hour = timedelta(hours=1)
    assert sum(canned < time <= canned + hour for time in times) > sum(
        canned - hour < time <= canned for time in times
    )


def test_text_blocks_repeat_and_the_apology_comes_late(
    storms: dict[str, list[Mention]], scripts: ScriptOf
) -> None:
    """Each storm has several text blocks from the brand; only the English one ends in own words."""
    for brand, storm in storms.items():
        beats = [beat for beat in scripts[brand].storm.beats if beat.who in {"canned", "own-words"}]
        said = [of_beat(storm, scripts[brand], beat.name) for beat in beats]
        assert all(mention.get("from_brand") for mention in said)
        assert [beat.who for beat in beats].count("canned") == 3
        assert [m for m in storm if m.get("from_brand")] == said
    assert scripts["thistledown-air"].storm.beats[-2].who == "own-words"
    assert when(of_beat(storms["thistledown-air"], scripts["thistledown-air"], "apology")).hour >= 20


def test_the_readme_tells_the_right_times(storms: dict[str, list[Mention]]) -> None:
    """Every clock time that README.md names is one of the story's, and none is missing."""
    told = set(re.findall(r"\d\d:\d\d:\d\d", (RECORDING.parent / "README.md").read_text(encoding="utf-8")))
    pages = {when(public(storm)[24]) for storm in storms.values()}
    answers = {when(m) for storm in storms.values() for m in storm if m.get("from_brand")}
    assert told == {f"{time:%H:%M:%S}" for time in pages | answers}


def test_calm_stays_calm(
    threads: list[list[Mention]], storms: dict[str, list[Mention]], scripts: ScriptOf
) -> None:
    """At least 40 calm threads for each brand, never 25 mentions in two hours; the busy ones fill slowly."""
    calm = [thread for thread in threads if thread not in storms.values()]
    busy_roots = {busy.root for script in scripts.values() for busy in script.busy}
    busy = [thread for thread in calm if thread[0]["text"] in busy_roots]
    assert min(Counter(thread[0]["brand"] for thread in calm).values()) >= 42
    assert max(most_within(thread, timedelta(hours=2)) for thread in calm) < 25
    assert len(busy) == 4
    assert all(40 <= len(thread) <= 70 for thread in busy)
    assert max(most_within(thread, timedelta(hours=1)) for thread in busy) <= 10
    assert all(len(thread) <= 20 for thread in calm if thread not in busy)


def test_followers_have_a_heavy_tail(mentions: list[Mention]) -> None:
    """Most accounts are small, a few are heard far."""
    followers = sorted({m["author"]["id"]: m["author"]["followers"] for m in public(mentions)}.values())
    assert followers[len(followers) // 2] < 400
    assert followers[-1] > 100_000


def test_there_is_something_to_mask(mentions: list[Mention]) -> None:
    """In both languages: telephone numbers, e-mail at example domains, IBANs with a valid checksum."""
    for brand in ("murmeltel", "thistledown-air"):
        text = "\n".join(m["text"] for m in mentions if m["brand"] == brand)
        assert re.search(r"\b0\d{2,4} \d{5,7}", text)
        mails = re.findall(r"[\w.]+@[\w.]+\w", text)
        assert mails
        assert all(mail.endswith(("example.com", "example.org")) for mail in mails)
        (iban,) = re.findall(r"\b[A-Z]{2}\d{2}(?: [A-Z\d]{2,4})+", text)
        moved = iban.replace(" ", "")[4:] + iban[:4]
        assert int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def test_a_source_with_a_slip_is_refused(tmp_path: Path) -> None:
    """A misspelt field in an authored file stops the build instead of being left out."""
    path = tmp_path / "slip.toml"
    path.write_text(
        SCRIPTS[0].read_text(encoding="utf-8").replace("desk_hours", "desk_hour"), encoding="utf-8"
    )
    with pytest.raises(msgspec.ValidationError):
        read_script(path)


@pytest.mark.skipif(not STORM_DATA.exists(), reason="the storm data set is not here (FLASHOVER_DATA)")
def test_the_pace_is_the_real_storms() -> None:
    """storm-timing.json is what its documented derivation gives."""
    assert json.loads(TIMING.read_bytes()) == derive_timing(STORM_DATA)


def test_the_page_comes_before_the_text_block_and_each_block_is_told(
    storms: dict[str, list[Mention]], scripts: ScriptOf
) -> None:
    """The German storm pages while the desk is silent; then every text block is an alert of its own."""
    run, decoder = Replay(Settings.model_construct()), Decoder()
    storm, script = storms["murmeltel"], scripts["murmeltel"]
    blocks = [of_beat(storm, script, beat.name) for beat in script.storm.beats if beat.who == "canned"]
    alerts = []
    for one in storm:
        mention = decoder.decode(json.dumps(one).encode(), 1 << 50)
        assert isinstance(mention, streams.mention.Mention)
        alert = run.follow(mention)
        if alert is not None:
            alerts.append(alert)
    page = next(alert for alert in alerts if alert.level == "page")
    assert page.reply.state == "none"
    assert datetime.fromisoformat(page.raised_at) < when(blocks[0]) - timedelta(hours=1)
    told = [alert for alert in alerts if alert.reason == "canned-reply"]
    assert [datetime.fromisoformat(alert.raised_at) for alert in told] == [when(block) for block in blocks]
    assert all(alert.evidence[0].unit == "phrases" for alert in told)
    assert all(len(alert.voices) == 3 for alert in told)
    assert page.title.startswith("Meine Mutter ist im März gestorben.")

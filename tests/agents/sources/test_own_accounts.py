"""A brand's own account is known on every platform: what it says is the brand's, and about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.json import decode

from agents.intake import Reader
from agents.settings import Brand
from agents.sources.kinds import KINDS
from agents.sources.source import Arrival, Source
from streams.followed import Followed, Own
from streams.matching import Matcher, Terms
from streams.mention import Decoder, Mention
from tests.agents.sources import (
    test_bluesky,
    test_feeds,
    test_file,
    test_mastodon,
    test_meta,
    test_reddit,
    test_webhook,
    test_x,
    test_youtube,
)
from tests.agents.sources.world import NOW_MS

SORRY = "We are looking into it"
ROW = {"id": "1", "author_id": "desk", "text": SORRY, "created_at": NOW_MS - 9_000}
MENTION = {
    "id": "forum:1", "brand": "murmeltel", "platform": "forum", "thread_id": "forum:1",
    "author": {"id": "u9", "handle": "Murmeltel_Help"}, "text": SORRY, "created_at": NOW_MS - 9_000,
}  # fmt: skip
#: account -> the source, a payload in which that account speaks, and its place
SPEAKING: dict[str, tuple[Source, bytes, str]] = {
    "bluesky:did:plc:marmot": (
        test_bluesky.source_of("127.0.0.1:9"),
        test_bluesky.post(1, SORRY, test_bluesky.MARMOT),
        "",
    ),
    f"mastodon:@ann@{test_mastodon.SERVER}": (
        test_mastodon.source_of(),
        test_mastodon.frame("update", test_mastodon.status(1, SORRY)),
        "",
    ),
    "feed:news.example": (test_feeds.source_of(), test_feeds.rss(test_feeds.item(1, SORRY)), test_feeds.URL),
    "file:desk": (test_file.source_of(Path("posts.jsonl")), json.dumps(ROW).encode(), ""),
    "forum:murmeltel_help": (test_webhook.webhook(), json.dumps(MENTION).encode(), ""),
    "facebook:77": (test_meta.meta(), test_meta.notice(test_meta.comment()), ""),
    "instagram:dormouse": (
        test_meta.meta(),
        test_meta.notice(test_meta.instagram(), "comments", "instagram", test_meta.ACCOUNT),
        "",
    ),
    f"youtube:{test_youtube.CUSTOMER}": (
        test_youtube.youtube(),
        test_youtube.packed(test_youtube.thread("c1")),
        test_youtube.VIDEO,
    ),
    "x:@Dormouse": (test_x.x(), test_x.line(), ""),
    "reddit:dormouse": (test_reddit.reddit(), test_reddit.packed(test_reddit.comment()), ""),
}


@pytest.mark.parametrize("account", SPEAKING)
@pytest.mark.parametrize("configured", [True, False])
def test_what_a_brands_own_account_says_is_the_brands(account: str, configured: bool) -> None:
    """Told by its platform and name in the settings; without them it is anybody's."""
    source, payload, place = SPEAKING[account]
    brand = Brand(accounts=(account if configured else "nobody:else",))
    accounts = {"murmeltel": frozenset(brand.accounts)}
    terms = {"murmeltel": Terms(names=(SORRY, "no line"))}  # taken in either way
    decoder = Decoder(b"key", accounts)
    reader = Reader("here", source, Matcher(terms), Own(accounts), decoder, Followed())
    records, _ = reader.read(Arrival(payload, NOW_MS, place), NOW_MS)
    (record,) = [one for one in records if one.kind == "mention"]
    mention = Decoder(b"key", accounts).decode(record.value or b"", NOW_MS)
    assert isinstance(mention, Mention)
    assert mention.from_brand is configured
    assert decode(record.value or b"")["brand"] == "murmeltel"


def test_every_kind_that_brings_posts_is_among_them() -> None:
    platforms = {account.partition(":")[0] for account in SPEAKING}
    counts = {"volume", "x_counts"}
    pushed = {"webhook": "forum"}  # any platform
    assert {pushed.get(kind, one.platform) for kind, one in KINDS.items() if kind not in counts} <= platforms

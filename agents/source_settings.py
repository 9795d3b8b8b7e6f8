"""The settings of sources: one table `[sources.NAME]` each, its `kind` first.

Law of this file: plain declarations; nothing here connects anywhere. A secret may be a text, or a table that
names its file (`token = { file = "/run/secrets/token" }`), and is masked in everything that can be shown.
Intervals have floors: how often a platform may be asked is not only the operator's to say.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from agents.secret import Secret
from agents.sources.signature import key_of

__all__ = ["SOURCE_NAME", "Bluesky", "Feeds", "File", "Mastodon", "Secret", "SourceSettings"]

#: So that a name can be part of an environment variable.
SOURCE_NAME: Final = r"^[a-z][a-z0-9_]{0,39}$"
_STREAM: Final = re.compile(r"public(:local|:remote)?|hashtag(:local)?:\w{1,100}")
_HOST: Final = re.compile(r"^(wss?://|https?://)?[A-Za-z0-9.-]+(:[0-9]{1,5})?$")


def _address(text: str, scheme: str) -> str:
    """A server's address with its scheme and without a path. Raises ValueError."""
    if not _HOST.match(text.rstrip("/")):
        raise ValueError("a server is a name, with or without its scheme and port")
    return text.rstrip("/") if "://" in text else f"{scheme}://{text.rstrip('/')}"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Bluesky(_Table):
    """Bluesky's public posts by Jetstream: no account, no key.

    `servers` are tried in turn; the same cursor means the same moment to all of them. `shares` takes reposts
    of what is followed. `zstd_dictionary` is Jetstream's own dictionary as a file; with it the stream comes
    compressed (extra `zstd`). `resolver` answers which account a handle is.
    """

    kind: Literal["bluesky"]
    servers: tuple[str, ...] = Field(
        default=(
            "wss://jetstream1.us-east.bsky.network",
            "wss://jetstream2.us-east.bsky.network",
            "wss://jetstream1.us-west.bsky.network",
            "wss://jetstream2.us-west.bsky.network",
        ),
        min_length=1,
    )
    shares: bool = True
    rewind_s: float = Field(
        default=5.0, ge=0, le=600
    )  # further back than the cursor, for what servers differ in
    silent_s: float = Field(default=30.0, ge=1, le=600)  # a connection that says nothing for so long is dead
    zstd_dictionary: Path | None = None
    resolver: str = "https://public.api.bsky.app"

    @field_validator("servers")
    @classmethod
    def _servers_are_addresses(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_address(one, "wss") for one in servers)

    @field_validator("resolver")
    @classmethod
    def _resolver_is_address(cls, resolver: str) -> str:
        return _address(resolver, "https")


class Mastodon(_Table):
    """Public posts that one server knows; a table for each server.

    `streams` are `public`, `public:local`, `public:remote`, `hashtag:TAG`, `hashtag:local:TAG`. Servers of
    Mastodon 4.2 and later want the `token` of a user's app with the right read:statuses.
    """

    kind: Literal["mastodon"]
    server: str
    streams: tuple[str, ...] = Field(default=("public:local",), min_length=1)
    token: Secret | None = None
    rewind_s: float = Field(
        default=300.0, ge=0, le=86_400
    )  # posts of other servers come late, with their own time
    backfill_pages: int = Field(default=50, ge=0, le=1000)  # of 40 posts, for each stream, after a break

    @field_validator("server")
    @classmethod
    def _server_is_address(cls, server: str) -> str:
        return _address(server, "https")

    @field_validator("streams")
    @classmethod
    def _streams_are_known(cls, streams: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [one for one in streams if not _STREAM.fullmatch(one)]:
            raise ValueError(
                f"{', '.join(wrong)}: a stream is public, public:local, public:remote, hashtag:TAG "
                "or hashtag:local:TAG"
            )
        return streams


class Feeds(_Table):
    """News and forums that offer RSS or Atom. `interval_s`: each is asked so often, and not more often."""

    kind: Literal["feeds"]
    urls: tuple[str, ...] = Field(min_length=1, max_length=1000)
    interval_s: float = Field(default=300.0, ge=60, le=86_400)
    largest_bytes: int = Field(default=8 << 20, ge=1 << 16, le=64 << 20)
    brand: str | None = None  # of all entries, whatever they say; None: the texts are matched

    @field_validator("urls")
    @classmethod
    def _urls_are_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [one for one in urls if not re.match(r"^https?://[^\s/]+", one)]:
            raise ValueError(f"{', '.join(wrong)}: an address begins with http:// or https://")
        if len(set(urls)) < len(urls):
            raise ValueError("an address stands there twice")
        return urls


class File(_Table):
    """Files of posts, one JSON object or CSV row each.

    `columns` says which column is which field of a mention (`text = "Message"`); without it they have the
    names of the fields. `platform` and `brand` hold for all rows that do not say theirs; without a brand the
    text is matched. `follow` goes on for ever, as `tail -F` does.
    """

    kind: Literal["file"]
    paths: tuple[Path, ...] = Field(min_length=1)
    form: Literal["csv", "jsonl"] | None = None  # None: as the name ends
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    columns: dict[str, str] = Field(default_factory=dict)
    platform: str = Field(default="file", pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    brand: str | None = None
    follow: bool = False
    poll_interval_s: float = Field(default=1.0, ge=0.1, le=3600)

    @field_validator("columns")
    @classmethod
    def _columns_are_fields(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(columns.keys() - _FIELDS):
            raise ValueError(f"{', '.join(unknown)}: fields are {', '.join(sorted(_FIELDS))}")
        return columns


_FIELDS: Final = {
    "id", "brand", "platform", "thread_id", "parent_id", "kind", "author_id", "handle", "followers", "text",
    "lang", "created_at", "url", "edited_at",
}  # fmt: skip


#: Where what is pushed to us arrives; the world reaches it through a proxy with TLS.
_PATH: Final = r"^/[A-Za-z0-9._~/-]{1,200}$"
_SLUG: Final = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
_BrandSlug = Annotated[str, Field(pattern=_SLUG)]


class _Pushed(_Table):
    """What all who push to us share. Sources with the same `host` and `port` share one server."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    port: int = Field(default=8480, ge=0, le=65_535)
    path: str = Field(pattern=_PATH)
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, le=16 * 1024 * 1024)


class Webhook(_Pushed):
    """Mentions in the wire form, posted by anybody who holds one of `keys` (Standard Webhooks 1.0).

    A key is 24 to 64 bytes, as text or in base64 behind `whsec_`; while one is being replaced there are two.
    """

    kind: Literal["webhook"]
    keys: tuple[Secret, ...] = Field(default=(), max_length=5)
    tolerance_s: int = Field(default=300, ge=10, le=3600)  # older or newer requests are somebody's recording

    @field_validator("keys")
    @classmethod
    def _keys_are_fit(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in keys:
            key_of(key.get_secret_value())
        return keys


class Meta(_Pushed):
    """Facebook Pages and Instagram accounts, by the webhooks of one Meta app.

    `pages` says which brand each Page or account (its id) belongs to. `verify_token` is a word of your own
    that the app's dashboard is told, `app_secret` the app's.
    """

    kind: Literal["meta"]
    app_secret: Secret | None = Field(default=None, min_length=8)
    verify_token: Secret | None = Field(default=None, min_length=8)
    pages: dict[Annotated[str, Field(pattern=r"^[0-9]{1,32}$")], _BrandSlug] = Field(min_length=1)


class YouTube(_Table):
    """Comments under videos and channels: ids, and the brand of each; "" for a brand matches texts.

    `units_per_day` is the project's quota (10,000 unless Google gave more), or the part of it that this may
    spend. Each round asks for at most `pages` of 100 threads of each place.
    """

    kind: Literal["youtube"]
    api_key: Secret | None = Field(default=None, min_length=8)
    videos: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{11}$")], str] = Field(default_factory=dict)
    channels: dict[Annotated[str, Field(pattern=r"^UC[A-Za-z0-9_-]{22}$")], str] = Field(default_factory=dict)
    units_per_day: int = Field(default=10_000, ge=1)
    pages: int = Field(default=2, ge=1, le=20)
    poll_interval_s: float = Field(default=60.0, ge=10, le=86_400)
    recheck_interval_s: float = Field(default=600.0, ge=0, le=86_400)  # 0: deletions are not looked for
    server: str = "https://www.googleapis.com"

    @field_validator("videos", "channels")
    @classmethod
    def _brands_are_slugs(cls, places: dict[str, str]) -> dict[str, str]:
        if wrong := [brand for brand in places.values() if brand and not re.match(_SLUG, brand)]:
            raise ValueError(f"a brand is a slug, and {len(wrong)} are not")
        return places

    @field_validator("server")
    @classmethod
    def _server_is_address(cls, server: str) -> str:
        return _address(server, "https")

    @model_validator(mode="after")
    def _something_to_watch(self) -> YouTube:
        if not self.videos and not self.channels:
            raise ValueError("videos or channels must name something to watch")
        return self


class X(_Table):
    """Posts by X's filtered stream. `rules` are X's own queries, by brand: what matches is about that brand.

    `posts_per_month` is the budget of posts read, each of which X bills. `recovery` says how a gap is filled:
    `search` (recent search, from the budget), `backfill` (Enterprise), `none`. `authors` asks for handle and
    followers, which X may bill as reads of users.
    """

    kind: Literal["x"]
    bearer_token: Secret | None = Field(default=None, min_length=8)
    rules: dict[_BrandSlug, Annotated[str, Field(min_length=1, max_length=2048)]] = Field(min_length=1)
    posts_per_month: int = Field(ge=1)
    recovery: Literal["search", "backfill", "none"] = "search"
    authors: bool = True
    recheck_interval_s: float = Field(default=0.0, ge=0, le=86_400)  # 0: deletions are not looked for
    server: str = "https://api.x.com"

    @field_validator("server")
    @classmethod
    def _server_is_address(cls, server: str) -> str:
        return _address(server, "https")


class XCounts(_Table):
    """How many posts match each brand's query, by X's recent counts: mentions of kind `volume`, no texts."""

    kind: Literal["x_counts"]
    bearer_token: Secret | None = Field(default=None, min_length=8)
    queries: dict[_BrandSlug, Annotated[str, Field(min_length=1, max_length=4096)]] = Field(min_length=1)
    requests_per_month: int = Field(default=20_000, ge=1)
    granularity: Literal["minute", "hour"] = "minute"
    poll_interval_s: float = Field(default=300.0, ge=60, le=3600)
    server: str = "https://api.x.com"

    @field_validator("server")
    @classmethod
    def _server_is_address(cls, server: str) -> str:
        return _address(server, "https")


class Reddit(_Table):
    """New comments and submissions of `subreddits`, by an app that Reddit has approved (extra `reddit`).

    `user_agent` must say who runs this, as Reddit asks: `linux:org.example.watch:v1 (by /u/NAME)`.
    """

    kind: Literal["reddit"]
    client_id: Secret | None = Field(default=None, min_length=4)
    client_secret: Secret | None = Field(default=None, min_length=4)
    user_agent: str = Field(min_length=10, max_length=200)
    subreddits: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{2,24}$")], ...] = Field(
        min_length=1, max_length=100
    )
    poll_interval_s: float = Field(default=10.0, ge=2, le=3600)
    recheck_h: float = Field(default=24.0, ge=0, le=168)  # so long after a post its deletion is looked for
    server: str = "https://oauth.reddit.com"
    login_server: str = "https://www.reddit.com"

    @field_validator("server", "login_server")
    @classmethod
    def _server_is_address(cls, server: str) -> str:
        return _address(server, "https")


class VolumeFeed(_Table):
    """Counts per interval from any address that answers with JSON or CSV, such as GDELT's timelines.

    `feeds` are addresses by brand; they are masked as secrets, because keys stand in them. `rows` is the way
    to the list of intervals in the JSON (`timeline.0.data`), `time` and `count` the fields of each; times are
    RFC 3339 or seconds or milliseconds since the epoch, or as `time_form` says (`%Y%m%dT%H%M%SZ`, UTC). An
    interval is passed on `settle_s` after its end, once: what the feed adds to it later is lost.
    """

    kind: Literal["volume"]
    feeds: dict[_BrandSlug, Secret] = Field(min_length=1, max_length=1000)
    platform: str = Field(default="gdelt", pattern=_SLUG)
    form: Literal["json", "csv"] = "json"
    rows: str = "timeline.0.data"
    time: str = Field(default="date", min_length=1)
    count: str = Field(default="value", min_length=1)
    time_form: str = "%Y%m%dT%H%M%SZ"
    interval_s: int = Field(default=900, ge=1, le=3600)  # longer tells nothing in time (streams.pulse)
    settle_s: int = Field(default=900, ge=0, le=86_400)
    poll_interval_s: float = Field(default=300.0, ge=10, le=86_400)
    pause_s: float = Field(default=6.0, ge=0, le=3600)  # between two requests; GDELT asks for 5 s
    headers: dict[str, Secret] = Field(default_factory=dict)

    @field_validator("feeds")
    @classmethod
    def _feeds_are_addresses(cls, feeds: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for brand, feed in feeds.items():
            if not re.match(r"^https?://[^\s/]+\S*$", feed.get_secret_value()):
                raise ValueError(f"the feed of {brand} is no address that begins with https:// or http://")
        return feeds


#: Any of them, told apart by `kind`. One line each; the classes are above, in the same order.
SourceSettings = Annotated[
    Bluesky  #
    | Mastodon
    | Feeds
    | File
    | Webhook
    | Meta
    | YouTube
    | X
    | XCounts
    | Reddit
    | VolumeFeed,
    Field(discriminator="kind"),
]

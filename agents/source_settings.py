"""The settings of sources: one table `[sources.NAME]` each, its `kind` first.

Law of this file: plain declarations; nothing here connects anywhere. A secret may be a text, or a table that
names its file (`token = { file = "/run/secrets/token" }`), and is masked in everything that can be shown.
Intervals have floors: how often a platform may be asked is not only the operator's to say.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

__all__ = ["SOURCE_NAME", "Bluesky", "Feeds", "File", "Mastodon", "Secret", "SourceSettings"]

#: So that a name can be part of an environment variable.
SOURCE_NAME: Final = r"^[a-z][a-z0-9_]{0,39}$"
_STREAM: Final = re.compile(r"public(:local|:remote)?|hashtag(:local)?:\w{1,100}")
_HOST: Final = re.compile(r"^(wss?://|https?://)?[A-Za-z0-9.-]+(:[0-9]{1,5})?$")


def _from_file(value: Any) -> Any:
    if not (isinstance(value, dict) and set(value) == {"file"}):
        return value
    try:
        return Path(str(value["file"])).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8") from None
    except OSError as error:
        raise ValueError(f"the file can't be read ({error.strerror})") from None


def _address(text: str, scheme: str) -> str:
    """A server's address with its scheme and without a path. Raises ValueError."""
    if not _HOST.match(text.rstrip("/")):
        raise ValueError("a server is a name, with or without its scheme and port")
    return text.rstrip("/") if "://" in text else f"{scheme}://{text.rstrip('/')}"


#: A text, or the file that holds it.
Secret = Annotated[SecretStr, BeforeValidator(_from_file)]


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

#: Any of them, told apart by `kind`. One line each; the classes are above, in the same order.
SourceSettings = Annotated[
    Bluesky  #
    | Mastodon
    | Feeds
    | File,
    Field(discriminator="kind"),
]

"""Every kind of source there is, registered by hand, one line each.

Law of this file: a kind is its settings, what its operator must have, and a function that makes it. A
source's module, and with it the library that it needs, is imported when one is made and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from agents import source_settings as given
from agents.sources.source import Context, Source, UnusableError

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["KINDS", "Kind", "make"]


class Kind(NamedTuple):
    """One kind; `needs` is for `flashover source list`, `extra` the extra that holds its library."""

    settings: type[BaseModel]
    platform: str
    needs: str
    make: Callable[[BaseModel, Context], Source]
    extra: str | None = None
    secrets: tuple[str, ...] = ()  # fields that only the process that runs the source must have


def _bluesky(settings: BaseModel, context: Context) -> Source:
    from agents.sources.bluesky import Bluesky

    return Bluesky(cast(given.Bluesky, settings), context)


def _mastodon(settings: BaseModel, context: Context) -> Source:
    from agents.sources.mastodon import Mastodon

    return Mastodon(cast(given.Mastodon, settings), context)


def _feeds(settings: BaseModel, context: Context) -> Source:
    from agents.sources.feeds import Feeds

    return Feeds(cast(given.Feeds, settings), context)


def _file(settings: BaseModel, context: Context) -> Source:
    from agents.sources.file import File

    return File(cast(given.File, settings), context)


def _webhook(settings: BaseModel, context: Context) -> Source:
    from agents.sources.inbox import inboxes
    from agents.sources.webhook import Webhook

    return Webhook(cast(given.Webhook, settings), context, inboxes())


def _meta(settings: BaseModel, context: Context) -> Source:
    from agents.sources.inbox import inboxes
    from agents.sources.meta import Meta

    return Meta(cast(given.Meta, settings), context, inboxes())


def _youtube(settings: BaseModel, context: Context) -> Source:
    from agents.sources.youtube import YouTube

    return YouTube(cast(given.YouTube, settings), context)


def _x(settings: BaseModel, context: Context) -> Source:
    from agents.sources.x import X

    return X(cast(given.X, settings), context)


def _x_counts(settings: BaseModel, context: Context) -> Source:
    from agents.sources.x_counts import XCounts

    return XCounts(cast(given.XCounts, settings), context)


def _reddit(settings: BaseModel, context: Context) -> Source:
    from agents.sources.reddit import Reddit

    return Reddit(cast(given.Reddit, settings), context)


def _volume(settings: BaseModel, context: Context) -> Source:
    from agents.sources.volume import Volume

    return Volume(cast(given.VolumeFeed, settings), context)


KINDS: Final[Mapping[str, Kind]] = {
    "bluesky": Kind(
        given.Bluesky,
        "bluesky",
        "nothing: no account, no key; for the compressed stream alone",
        _bluesky,
        extra="zstd",
    ),
    "mastodon": Kind(
        given.Mastodon, "mastodon", "an account on the server, and its app's token (read:statuses)", _mastodon
    ),
    "feeds": Kind(given.Feeds, "feed", "nothing; heed the site's terms and robots.txt", _feeds),
    "file": Kind(given.File, "file", "nothing but the files", _file),
    "webhook": Kind(
        given.Webhook,
        "webhook",
        "a key that the sender has, too; a proxy with TLS",
        _webhook,
        secrets=("keys",),
    ),
    "meta": Kind(
        given.Meta,
        "facebook",
        "a reviewed Meta app that your Pages have installed; a proxy with TLS",
        _meta,
        secrets=("app_secret", "verify_token"),
    ),
    "youtube": Kind(
        given.YouTube, "youtube", "an API key with YouTube Data API v3", _youtube, secrets=("api_key",)
    ),
    "x": Kind(
        given.X, "x", "an app's bearer token, and credits for each post", _x, secrets=("bearer_token",)
    ),
    "x_counts": Kind(
        given.XCounts,
        "x",
        "an app's bearer token, and credits for each request",
        _x_counts,
        secrets=("bearer_token",),
    ),
    "reddit": Kind(
        given.Reddit,
        "reddit",
        "an app that Reddit has approved for this use",
        _reddit,
        extra="reddit",
        secrets=("client_id", "client_secret"),
    ),
    "volume": Kind(given.VolumeFeed, "volume", "an address that answers with counts", _volume),
}


def make(settings: BaseModel, context: Context) -> Source:
    """The source of these settings.

    Raises UnusableError if a library is missing, and says which extra has it; or if a secret is.
    """
    name = str(getattr(settings, "kind", ""))
    kind = KINDS[name]
    if missing := [one for one in kind.secrets if not getattr(settings, one)]:
        raise UnusableError("missing-secret", f"kind {name} needs {' and '.join(missing)}")
    try:
        return kind.make(settings, context)
    except ImportError as error:
        if kind.extra is None:
            raise
        raise UnusableError(
            "missing-library",
            f"kind {name} needs {error.name}, which is not installed: pip install 'flashover[{kind.extra}]'",
        ) from None

"""Mentions made to order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import settings

from streams.mention import Kind, Mention, hash64

settings.register_profile("untimed", deadline=None)  # a busy machine is no bug
settings.load_profile("untimed")

T0 = 1_704_067_200_000  # 2024-01-01T00:00:00Z
ROOT = "forum:root"


def _mention(
    id: str = "",
    at: int = 0,
    *,
    author: str = "anna",
    parent: str | None = ROOT,
    kind: Kind = "reply",
    from_brand: bool = False,
    followers: int = 0,
    text: str = "",
    url: str = "",
    _number: count[int] = count(),  # noqa: B008 — one counter for all: an id not given is new
) -> Mention:
    """A mention `at` ms after 1 January 2024, an answer to the root unless said otherwise."""
    id = id or f"forum:unnamed-{next(_number)}"
    answers_root = parent == ROOT and id != ROOT
    return Mention(
        id=id,
        key=hash64(id),
        brand="acme",
        platform="forum",
        thread_id=ROOT,
        parent=hash64(parent) if parent and parent != ROOT else 0,
        to_root=answers_root,
        kind=kind,
        author=hash64(author),
        followers=followers,
        from_brand=from_brand,
        text=text,
        lang="",
        created_ms=T0 + at,
        url=url,
        reactions=None,
        count=0,
        interval_s=0,
    )


@pytest.fixture(scope="session")
def mention() -> Callable[..., Mention]:
    return _mention

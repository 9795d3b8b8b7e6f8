"""Whom a post counts for: the brands that it names, and those whose thread it continues.

Law of this file: one owner, no clock; what is remembered is bounded, and can be learned anew from the
mentions that were sent. Order of arrival decides nothing but which brand a thread's plain ids belong to.

A brand owns a whole thread if whoever began the thread named it, in the root or in an answer of their own, or
if the root is the brand's own. Then all that answers counts, named or not. A brand that somebody else names
further down gets that post, and what directly answers it, and so on: a storm about another matter does not
become a brand's because one of ten thousand names it in passing. A share, or a quote, of a post that is
remembered belongs to that post's thread, and what answers the quote, too.

State is kept by thread id, and a thread has one brand. So the brand that a thread is first about has the ids
as the platform gives them; each further one has the same tree with `#brand` behind every id: a thread of its
own, in which root, answers and people are what they are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from streams.matching import Matcher
from streams.mention import hash64
from streams.post import Addressed, Deleted, Post
from streams.thread import QUIET_MS

__all__ = ["FORGET_MS", "Followed", "Own", "named_in"]

#: As the core: a thread that was silent for so long is over.
FORGET_MS: Final = QUIET_MS
_MARK: Final = "#"
_TUPLES_KEPT: Final = 10_000
_UNKNOWN: Final = ""  # the owner of the plain ids, where that is known to be another brand and not which


Brands = tuple[str, ...]


class _Entry(msgspec.Struct, gc=False):
    root_id: str
    order: Brands  # the first has the plain ids
    whole: Brands  # those whose thread all of it is
    last_ms: int


class _Where(msgspec.Struct, frozen=True, gc=False):
    root_id: str
    brands: Brands


class Own:
    """The brands' own accounts, in any form that operators write: id, handle, `platform:` before either."""

    def __init__(self, accounts: Mapping[str, frozenset[str]]) -> None:
        brands: dict[str, tuple[str, ...]] = {}
        for brand, names in sorted(accounts.items()):
            for name in names:
                brands[name] = (*brands.get(name, ()), brand)
        self._brands = brands

    def brands_of(self, platform: str, author_id: str, handle: str) -> tuple[str, ...]:
        """The brands that speak through this account."""
        known = self._brands
        if not known:
            return ()
        plain, name = author_id.lower(), handle.lstrip("@").lower()
        return (
            known.get(plain)
            or known.get(f"{platform}:{plain}")
            or (known.get(name) or known.get(f"{platform}:{name}") if name else None)
            or ()
        )


def named_in(
    post: Post, matcher: Matcher, own: Own, detect: Callable[[str], str | None] | None = None
) -> tuple[str, ...]:
    """The brands that a post is about by itself: named in it, its author's, or told with it."""
    found = matcher.brands(post.text, links=post.links, accounts=post.named, lang=post.lang, detect=detect)
    theirs = own.brands_of(post.platform, post.author_id, post.handle)
    if not theirs and not post.brands:
        return found
    return tuple(sorted({*found, *theirs, *post.brands}))


class Followed:
    """The threads and posts that are known to be about a brand: the latest `threads` and `posts` of them.

    50,000 and 200,000 take some 80 MB.
    """

    def __init__(self, threads: int = 50_000, posts: int = 200_000) -> None:
        self._most_threads, self._most_posts = threads, posts
        self._threads: OrderedDict[str, _Entry] = OrderedDict()
        self._posts: OrderedDict[int, _Where] = OrderedDict()
        self._brands: dict[Brands, Brands] = {}

    def __len__(self) -> int:
        return len(self._threads)

    def address(self, post: Post, named: tuple[str, ...]) -> list[Addressed]:
        """Whom the post counts for, the plain ids first; nobody for most. `named` is from `named_in`."""
        root_id, parent_id = self._home(post)
        entry = self._threads.get(root_id)
        above = self._posts.get(hash64(parent_id)) if parent_id else None
        if not named and entry is None and above is None and not post.edited_ms:
            return []
        before = self._posts.get(hash64(post.id)) if post.edited_ms else None
        counts = set(named)
        if entry is not None:
            counts.update(entry.whole)
        if above is not None:
            counts.update(above.brands)
        if before is not None:
            counts.update(before.brands)
        if not counts:
            return []
        leads = post.id == root_id or bool(post.root_author and post.author_id == post.root_author)
        return self._note(post.id, root_id, parent_id, counts, named if leads else (), post.created_ms)

    def deletions(self, gone: Deleted) -> list[Addressed]:
        """Where the mentions of a deleted post are; none if it was never one, or is too long ago."""
        where = self._posts.get(hash64(gone.id))
        if where is None:
            return []
        entry = self._threads.get(where.root_id)
        order = entry.order if entry is not None else where.brands
        return [_addressed(brand, gone.id, where.root_id, "", order) for brand in where.brands]

    def learn(self, brand: str, id: str, thread_id: str, at_ms: int, whole: bool) -> None:
        """Remember a mention that was sent: `whole` as `is_whole` said then."""
        end = _MARK + brand
        plain = not thread_id.endswith(end)
        root_id = thread_id.removesuffix(end)
        entry = self._threads.get(root_id)
        order = entry.order if entry is not None else ()
        if plain:
            order = (brand, *[one for one in order if one not in (brand, _UNKNOWN)])
        elif brand not in order:
            order = (*(order or (_UNKNOWN,)), brand)
        entry = self._keep(root_id, entry, order, (brand,) if whole else (), at_ms)
        key = hash64(id.removesuffix(end) if not plain else id)
        known = self._posts.get(key)
        brands = known.brands if known is not None else ()
        self._remember(key, entry.root_id, brands if brand in brands else (*brands, brand))

    def is_whole(self, to: Addressed) -> bool:
        """Whether all of the thread is the brand's; told along with each mention, for `learn`."""
        entry = self._threads.get(to.thread_id.removesuffix(_MARK + to.brand))
        return entry is not None and to.brand in entry.whole

    def forget(self, before_ms: int) -> None:
        """Drop threads in which nothing was said since; call it now and then with now less FORGET_MS."""
        while self._threads:
            root_id, entry = next(iter(self._threads.items()))
            if entry.last_ms >= before_ms:
                return
            del self._threads[root_id]

    def _home(self, post: Post) -> tuple[str, str]:
        """The root of the thread that the post belongs to, and what it answers."""
        root_id, parent_id = post.root_id, post.parent_id
        if root_id == post.id:
            if not post.quoted_id or (quoted := self._posts.get(hash64(post.quoted_id))) is None:
                return root_id, parent_id
            return quoted.root_id, parent_id or post.quoted_id
        if root_id not in self._threads and (root := self._posts.get(hash64(root_id))) is not None:
            return root.root_id, parent_id  # it answers a quote or a share that is part of another thread
        return root_id, parent_id

    def _note(
        self, id: str, root_id: str, parent_id: str, counts: set[str], leads: tuple[str, ...], at_ms: int
    ) -> list[Addressed]:
        entry = self._threads.get(root_id)
        order = entry.order if entry is not None else ()
        brands = [one for one in order if one in counts]
        if fresh := sorted(counts.difference(order)):
            # who began the thread says whose it is, if nobody else has yet
            fresh.sort(key=lambda brand: brand not in leads)
            order = (*order, *fresh)
            brands += fresh
        entry = self._keep(root_id, entry, order, leads, at_ms)
        self._remember(hash64(id), entry.root_id, tuple(brands))
        return [_addressed(brand, id, root_id, parent_id, order) for brand in brands]

    def _keep(self, root_id: str, entry: _Entry | None, order: Brands, leads: Brands, at_ms: int) -> _Entry:
        """The thread with what was learned of it, the latest of all."""
        if entry is None:
            entry = _Entry(root_id, (), (), at_ms)
            self._threads[root_id] = entry
            if len(self._threads) > self._most_threads:
                self._threads.popitem(last=False)
        else:
            self._threads.move_to_end(root_id)
        entry.order = self._same(order)
        if fresh := [one for one in leads if one not in entry.whole]:
            entry.whole = self._same((*entry.whole, *fresh))
        entry.last_ms = max(entry.last_ms, at_ms)
        return entry

    def _same(self, brands: Brands) -> Brands:
        """One tuple for all who have the same brands: most have one of few."""
        if len(self._brands) > _TUPLES_KEPT:
            self._brands.clear()
        return self._brands.setdefault(brands, brands)

    def _remember(self, key: int, root_id: str, brands: Brands) -> None:
        self._posts[key] = _Where(root_id, self._same(brands))
        self._posts.move_to_end(key)
        if len(self._posts) > self._most_posts:
            self._posts.popitem(last=False)


def _addressed(brand: str, id: str, root_id: str, parent_id: str, order: tuple[str, ...]) -> Addressed:
    if order and brand == order[0]:
        return Addressed(brand, id, root_id, parent_id)
    end = _MARK + brand
    return Addressed(brand, id + end, root_id + end, parent_id + end if parent_id else "")

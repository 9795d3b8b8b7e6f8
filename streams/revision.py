"""Edits and deletions: what an author has taken back is taken back here.

Law of this file: a revision counts nothing. A deleted post keeps its place in the counts and loses its text,
wherever that is kept; what is told of it afterwards brings nothing back. An edited text is scored anew in the
place of the old one, as long as it is known what that was scored as. What was counted of a brand's minutes
stays, because that was said then; a reply of the brand stays what it was when its customers read it.
"""

from __future__ import annotations

from typing import Final, TypeVar

from msgspec.structs import replace

from streams.alert import Alert
from streams.delivery import Case
from streams.incident import Revise
from streams.mention import Mention
from streams.reading import Reader, Score, forget, opened, read, remember, score_of, uncount
from streams.seen import depth_of
from streams.thread import Thread

__all__ = ["is_revision", "obeyed", "revise", "told_of"]

_EDITED: Final = "edited"
_DELETED: Final = "deleted"


def is_revision(mention: Mention) -> bool:
    """Whether it is an edit or a deletion, which counts for nothing where the post itself has counted."""
    return mention.deleted or mention.edited_ms > 0


def revise(thread: Thread, mention: Mention, reader: Reader | None) -> None:
    """Change `thread`, in place, by a deletion or by an edit of a mention that was counted.

    A deletion that comes before its post is remembered: the post will count, and its text will not be read.
    Without a `reader` no text is looked at, and so none was kept.
    """
    key, is_root = mention.key, mention.id == mention.thread_id
    if score_of(thread, key) == Score.GONE:
        return  # an edit that was told too late, or a deletion told twice
    if any(voice.lot == key for voice in thread.voices):
        thread.voices = tuple(voice for voice in thread.voices if voice.lot != key)
    if mention.deleted:
        remember(thread, key, Score.GONE)
        if is_root:
            thread.title = thread.url = ""
            thread.root_deleted = True
        return
    if reader is None:
        return
    if is_root and not thread.root_deleted:
        opened(thread, mention, reader)
    if uncount(thread, key):
        read(thread, mention, reader)
    forget(thread, thread.last_ms, reader)


def told_of(thread: Thread | None, mention: Mention) -> Revise | None:
    """What incidents must learn of a revision that `thread` has been given; None where none has its text.

    That is so only if the post was counted in an episode that has raised no alert, for alerts are what brings
    texts to incidents. A thread that is forgotten, or has begun anew, may have raised one before. The brand's
    own replies are quoted nowhere.
    """
    is_root = mention.id == mention.thread_id
    if thread is not None and not thread.alerts and depth_of(thread.seen, mention.key) is not None:
        return None
    if mention.from_brand and not is_root:
        return None
    post = f"{mention.key:016x}"
    at_ms = mention.created_ms if mention.deleted else mention.edited_ms
    return Revise(
        id=f"{_DELETED if mention.deleted else _EDITED}:{post}:{at_ms}",
        brand=mention.brand,
        who="",
        at_ms=at_ms,
        thread_id=mention.thread_id,
        post=post,
        root=is_root,
        deleted=mention.deleted,
        title=thread.title if is_root and thread is not None else "",
    )


_Told = TypeVar("_Told", Alert, Case)


def obeyed(case: _Told, notice: Revise) -> _Told:
    """An alert or a case without what was taken back: a voice, or the title and address of a root."""
    if notice.post in case.voice_ids:
        kept = [one for one in zip(case.voice_ids, case.voices, strict=False) if one[0] != notice.post]
        ids, voices = zip(*kept, strict=True) if kept else ((), ())
        case = replace(case, voice_ids=ids, voices=voices)
    if not notice.root or case.root_deleted:
        return case
    if notice.deleted:
        return replace(case, title="", url=None, root_deleted=True)
    return replace(case, title=notice.title) if case.title else case

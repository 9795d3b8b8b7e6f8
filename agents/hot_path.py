"""What is done with each record of a chunk, and with each thread that is written down, up to what is sent.

Law of this file: it is what a worker spends its time on. No await, no input or output, no clock, and no
allocation that is not state or a result.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy_extensions import mypyc_attr

from agents.codec import encode_state
from agents.partition import NO_REST, Partition, rest_of
from agents.transport import Record
from streams.aftermath import Answered, answered
from streams.alert import Alert
from streams.as_usual import Snapshots
from streams.habits import said_of
from streams.incident import Revise
from streams.judge import follow, has_paged, storm_size
from streams.mention import Decoder
from streams.params import ThreadParams
from streams.reading import Reader
from streams.record import Rejected
from streams.revision import is_revision, told_of
from streams.shadow import Beside, follow_both

__all__ = ["Found", "follow_chunk", "write_down"]


@mypyc_attr(acyclic=True)
class Found:
    """What a chunk held: what must be sent for it, and counts."""

    def __init__(self) -> None:
        self.alerts: list[tuple[Alert, int]] = []  # and the offset of the mention that raised it
        self.rejects: list[tuple[Record, Rejected]] = []
        self.notices: list[Revise] = []
        self.replies: list[tuple[bytes, str, Answered]] = []  # of brands: key of the thread, brand
        self.counted = 0
        self.duplicates = 0
        self.revised = 0  # edits and deletions of what was counted
        self.skipped = 0  # counted before, and read again
        self.volumes = 0


def follow_chunk(
    partition: Partition,
    records: list[Record],
    decoder: Decoder,
    now_ms: int,
    params_of: Callable[[str], ThreadParams],
    usuals: Snapshots,
    reader: Reader | None,
    beside_of: Callable[[str], Beside | None] | None,
) -> Found:
    """Follow `records`, in order, in the threads of `partition`; what they are is `Follower`'s to say.

    If this raises, half of them may be counted: the partition must not be written any more.
    """
    found = Found()
    hot, dirty, pulses = partition.hot, partition.dirty, partition.pulses
    watermark_ms, upto, pulsed_offset = partition.watermark_ms, partition.offset, partition.pulsed_offset
    params_by_brand: dict[str, ThreadParams] = {}  # asked for once a chunk
    for record in records:
        offset = record.offset
        if offset <= upto:  # read again, after a rebalance or a crash
            found.skipped += 1
            continue
        key = record.key
        mention = decoder.decode_keyed(record.value, now_ms, key)
        if type(mention) is Rejected:  # a tenth of what `isinstance` takes, of a class that has no heirs
            found.rejects.append((record, mention))
            continue
        if mention.kind == "volume":
            found.volumes += 1
            if offset > pulsed_offset:
                pulses.volume(mention)
            continue
        slot = hot.get(key) or partition.slot(key)
        if offset <= slot.offset:  # stored by a flush that did not come to its cursor
            found.skipped += 1
            continue
        brand = mention.brand
        if (params := params_by_brand.get(brand)) is None:
            params = params_by_brand[brand] = params_of(brand)
        if beside_of is None or (beside := beside_of(brand)) is None:
            followed = follow(slot.thread, mention, params, usuals, reader)
        elif (
            compared := follow_both(slot.thread, mention, params, slot.shade, beside, usuals, reader)
        ) is None:
            followed = None
        else:
            followed, slot.shade = compared.followed, compared.shade
            if compared.told is not None:
                partition.tally(brand, compared.told, offset)
        slot.offset = offset
        if followed is None:
            if is_revision(mention):
                found.revised += 1
                if (notice := told_of(slot.thread, mention)) is not None:
                    found.notices.append(notice)
                if slot.thread is not None:
                    dirty[key] = slot
            else:
                found.duplicates += 1
            continue
        slot.thread = thread = followed.thread
        alert = followed.alert
        dirty[key] = slot
        found.counted += 1
        if offset > pulsed_offset:
            reading, reply = followed.reading, followed.reply
            paged = alert is not None and has_paged(alert)
            pulses.add(mention, thread, reading.scored, reading.negative, paged)
            if reply is not None:
                pulses.said(said_of(mention, thread, reply))
                viral_at = storm_size(params, thread.viral_at)
                if (one := answered(thread, reply.kind, mention.created_ms, viral_at)) is not None:
                    found.replies.append((key, brand, one))
        if mention.created_ms > watermark_ms:
            watermark_ms = mention.created_ms
        if alert is not None:
            found.alerts.append((alert, offset))
    partition.watermark_ms = watermark_ms
    partition.offset = max(upto, records[-1].offset)
    return found


def write_down(
    partition: Partition,
    records: list[tuple[bytes, bytes | None]],
    gained: dict[str, list[int]],
    begin_brand: Callable[[str], None],
) -> None:
    """Add the state of each thread that has moved to `records`, and what came to it to its brand's `gained`.

    `gained` are mentions, then `rest_of`; a brand that is not in it is begun first.
    """
    for key, slot in partition.dirty.items():
        thread = slot.thread
        if thread is None:
            continue
        records.append((key, encode_state(slot.offset, thread, slot.shade)))
        partition.note_alive(key, slot, thread)
        if thread.born_ms != slot.born_ms:  # new, or a new episode
            slot.born_ms, slot.mentions, slot.rest = thread.born_ms, 0, NO_REST
        if (sums := gained.get(thread.brand)) is None:
            sums = gained[thread.brand] = [0] * (1 + len(NO_REST))
            begin_brand(thread.brand)
        sums[0] += thread.mentions - slot.mentions
        slot.mentions = thread.mentions
        if (rest := rest_of(thread)) != slot.rest:
            for place, (has, had) in enumerate(zip(rest, slot.rest, strict=True), 1):
                sums[place] += has - had
            slot.rest = rest
    partition.dirty = {}

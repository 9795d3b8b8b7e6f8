"""A reject read back: a record that was refused, as it came, with where it came from and why.

Law of this file: value and key are the bytes as received, the headers (`agents.codec.reject_headers`) are
UTF-8. Whatever stands in a record can be read and shown; nothing here fails for what a stranger wrote.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Reject", "raw_fields", "reject_of"]


class Reject(NamedTuple):
    """One record of the topic `rejects`, read back. `offset` and `partition` are of the original record."""

    reason: str
    detail: str
    topic: str
    partition: int | None  # None where the header is missing or no number
    offset: int | None
    key: bytes | None
    value: bytes | None
    cut_from: int | None = None  # bytes that the record had, where it was too long to be kept whole


def reject_of(key: bytes | None, value: bytes | None, headers: Mapping[str, bytes | None]) -> Reject:
    """The reject that a record of the topic holds, whoever wrote it; absent headers are empty."""

    def text(name: str) -> str:
        return (headers.get(name) or b"").decode("utf-8", "backslashreplace")

    def number(name: str) -> int | None:
        found = text(name)
        return int(found) if found.isascii() and found.isdecimal() and len(found) < 20 else None

    return Reject(
        text("reason"),
        text("detail"),
        text("topic"),
        number("partition"),
        number("offset"),
        key,
        value,
        (number("cut") or 0) if "cut" in headers else None,
    )


def raw_fields(name: str, raw: bytes | None) -> dict[str, str | None]:
    """Raw bytes as a JSON field: `name` as text, or `name_base64` where they are not UTF-8; None is null."""
    if raw is None:
        return {name: None}
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(raw).decode()}

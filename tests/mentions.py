"""A mention made from another: nobody changes one, so tests make a new one."""

from __future__ import annotations

from inspect import signature
from typing import Any

from streams.mention import Mention

__all__ = ["FIELDS", "altered"]

FIELDS = tuple(signature(Mention).parameters)


def altered(mention: Mention, **changes: Any) -> Mention:
    """The same but for `changes`, by field."""
    return Mention(**{name: getattr(mention, name) for name in FIELDS} | changes)

"""How many different people speak in a thread, and how much of it is one person, in constant space.

Law of this file: exact up to 64 authors; beyond, a HyperLogLog of 256 registers (Flajolet et al. 2007;
linear counting below 2.5 m as there; standard error 1.04 / sqrt(256) = 6.5 %) and a one-row count-min
sketch of 32 cells (Cormode and Muthukrishnan 2005: never too low, too high by 1/32 of the rest on
average). Which mention came first never matters: any order of the same authors gives the same record.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec

__all__ = ["NOBODY", "Authors", "Joined", "Sketch", "mentions_by", "with_author"]

_EXACT: Final = 64
_CELLS: Final = 32
_REGISTERS: Final = 256
_ALPHA: Final = 0.7213 / (1 + 1.079 / _REGISTERS)
_SCALE: Final = _ALPHA * _REGISTERS * _REGISTERS
# A higher rank says no more than this one, and up to it the sum of 2^-rank is exact in a float.
_TOP_RANK: Final = 40
_HALVES: Final = tuple(2.0**-rank for rank in range(_TOP_RANK + 1))


class Sketch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is kept of authors who are too many to be kept one by one."""

    registers: bytes  # the highest rank seen in each of the 256 streams
    inverse_sum: float  # sum of 2^-register, carried so that one author costs O(1)
    cells: tuple[int, ...]  # mentions by author % 32


class Authors(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who spoke, by author hash, and how often."""

    estimate: int  # how many people they are: exact up to 64
    busiest: int  # mentions by the busiest of them: exact up to 64 people, never too low
    exact: dict[int, tuple[int, int]]  # author -> mentions and time of the first (ms); never changed in place
    sketch: Sketch | None = None  # from then on


NOBODY: Final = Authors(0, 0, {})


class Joined(NamedTuple):
    """The record after one more mention, and whether somebody new came with it."""

    authors: Authors
    people: int  # who were not here before, 0 or 1 while authors are exact; never negative
    before_ms: (
        int  # the first mention of a known author turned out earlier: when it was thought to be, else 0
    )


def with_author(authors: Authors, author: int, at_ms: int) -> Joined:
    """The same record after one more mention by `author`, a uniform 63-bit hash, at event time `at_ms`."""
    sketch = authors.sketch
    if sketch is None:
        exact = authors.exact
        known = exact.get(author)
        mentions, first_ms = known or (0, at_ms)
        mentions += 1
        exact = {**exact, author: (mentions, at_ms if at_ms < first_ms else first_ms)}
        busiest = authors.busiest
        if mentions > busiest:
            busiest = mentions
        if known is not None:
            before_ms = first_ms if at_ms < first_ms else 0
            return Joined(Authors(authors.estimate, busiest, exact), 0, before_ms)
        if len(exact) <= _EXACT:
            return Joined(Authors(len(exact), busiest, exact), 1, 0)
        sketch = Sketch(bytes(_REGISTERS), float(_REGISTERS), (0,) * _CELLS)
        for one, (mentions, _) in exact.items():
            sketch = _sketched(sketch, one, mentions)
        return Joined(Authors(_estimate(sketch), max(sketch.cells), {}, sketch), 1, 0)
    after = _sketched(sketch, author, 1)
    estimate = authors.estimate if after.registers is sketch.registers else _estimate(after)
    busiest = max(authors.busiest, after.cells[author % _CELLS])
    return Joined(Authors(estimate, busiest, {}, after), max(0, estimate - authors.estimate), 0)


def mentions_by(authors: Authors, author: int) -> int:
    """How often `author` spoke; beyond 64 people it may be said too high, never too low."""
    if authors.sketch is None:
        return authors.exact.get(author, (0, 0))[0]
    return authors.sketch.cells[author % _CELLS]


def _sketched(sketch: Sketch, author: int, mentions: int) -> Sketch:
    cell = author % _CELLS
    cells = (*sketch.cells[:cell], sketch.cells[cell] + mentions, *sketch.cells[cell + 1 :])
    registers, inverse_sum = sketch.registers, sketch.inverse_sum
    index = author % _REGISTERS
    rank = min(56 - (author >> 8).bit_length(), _TOP_RANK)  # leading zeros of the other 55 bits, plus one
    old = registers[index]
    if rank > old:
        registers = registers[:index] + rank.to_bytes(1, "little") + registers[index + 1 :]
        inverse_sum += _HALVES[rank] - _HALVES[old]
    return Sketch(registers, inverse_sum, cells)


def _estimate(sketch: Sketch) -> int:
    raw = _SCALE / sketch.inverse_sum
    if raw <= 2.5 * _REGISTERS and (blank := sketch.registers.count(0)):
        raw = _REGISTERS * math.log(_REGISTERS / blank)
    return round(raw)

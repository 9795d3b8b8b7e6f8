"""How many different people speak in a thread, and how much of it is one person, in constant space.

Law of this file: exact up to 64 authors; beyond, a HyperLogLog of 256 registers (Flajolet et al. 2007;
linear counting below 2.5 m as there; standard error 1.04 / sqrt(256) = 6.5 %) and a one-row count-min
sketch of 32 cells (Cormode and Muthukrishnan 2005: never too low, too high by 1/32 of the rest on
average). Which mention came first never matters: any order of the same authors gives the same record.
When somebody spoke first is known while they are few; of many it is only known how many more they are.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

__all__ = ["NOBODY", "Authors", "Sketch", "mentions_by", "newcomers", "with_author"]

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
    exact: dict[int, tuple[int, int]]  # author -> mentions, second of the first one; while they are few
    sketch: Sketch | None = None  # from then on


NOBODY: Final = Authors(0, 0, {})


def with_author(authors: Authors, author: int, at_s: int) -> Authors:
    """The same record after one more mention by `author`, a uniform 63-bit hash, at second `at_s`."""
    sketch = authors.sketch
    if sketch is None:
        exact = authors.exact
        mentions, first_s = exact.get(author, (0, at_s))
        mentions += 1
        exact = {**exact, author: (mentions, first_s if first_s < at_s else at_s)}
        busiest = authors.busiest
        if mentions > busiest:
            busiest = mentions
        if len(exact) <= _EXACT:
            return Authors(len(exact), busiest, exact)
        sketch = Sketch(bytes(_REGISTERS), float(_REGISTERS), (0,) * _CELLS)
        for one, (mentions, _) in exact.items():
            sketch = _sketched(sketch, one, mentions)
        return Authors(_estimate(sketch), max(sketch.cells), {}, sketch)
    after = _sketched(sketch, author, 1)
    estimate = authors.estimate if after.registers is sketch.registers else _estimate(after)
    return Authors(estimate, max(authors.busiest, after.cells[author % _CELLS]), {}, after)


def mentions_by(authors: Authors, author: int) -> int:
    """How often `author` spoke; beyond 64 people it may be said too high, never too low."""
    if authors.sketch is None:
        return authors.exact.get(author, (0, 0))[0]
    return authors.sketch.cells[author % _CELLS]


def newcomers(before: Authors, after: Authors, author: int, at_s: int) -> tuple[tuple[int, int], ...]:
    """(second, people): who came in when, by the step from `before` to `after`; a correction has a -1.

    Summed over all steps this is how many people spoke first in which second, whatever the order of the
    mentions, up to 64 people. Beyond, it follows the estimate, and the second is that of the mention.
    """
    if before.sketch is not None:
        gained = after.estimate - before.estimate
        return ((at_s, gained),) if gained > 0 else ()
    known = before.exact.get(author)
    if known is None:
        return ((at_s, 1),)
    return ((at_s, 1), (known[1], -1)) if at_s < known[1] else ()


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

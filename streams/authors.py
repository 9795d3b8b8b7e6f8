"""How many different people speak in a thread, and how much of it is one person, in constant space.

Law of this file: exact up to 64 authors; beyond, a HyperLogLog of 256 registers (Flajolet et al. 2007;
linear counting below 2.5 m as there; standard error 1.04 / sqrt(256) = 6.5 %) and a one-row count-min
sketch of 32 cells (Cormode and Muthukrishnan 2005: never too low, too high by 1/32 of the rest on
average). Which mention came first never matters: any order of the same authors says the same of them.
When somebody spoke first is known while they are few; of many it is only known how many more they are.
"""

from __future__ import annotations

import math
from struct import Struct
from typing import Final

from mypy_extensions import mypyc_attr

from streams.seen import find

__all__ = ["Authors", "AuthorsState", "Came", "Sketch", "mentions_by", "speak"]

_EXACT: Final = 64
_PERSON: Final = Struct("<qII")  # hash, second of the first mention (until 2106), mentions beyond the first
_EACH: Final = _PERSON.size
_REST: Final = Struct("<II")
_CELLS: Final = 32
_REGISTERS: Final = 256
_ALPHA: Final = 0.7213 / (1 + 1.079 / _REGISTERS)
_SCALE: Final = _ALPHA * _REGISTERS * _REGISTERS
# A higher rank says no more than this one, and up to it the sum of 2^-rank is exact in a float.
_TOP_RANK: Final = 40
_HALVES: Final = tuple(2.0**-rank for rank in range(_TOP_RANK + 1))


Came = tuple[tuple[int, int], ...]  # second, people that came in then; a correction takes one away


SketchState = tuple[bytearray, float, list[int]]
AuthorsState = tuple[int, int, bytes, SketchState | None]
"""All of `Authors`, in the order of its fields."""


@mypyc_attr(acyclic=True)
class Sketch:
    """What is kept of authors who are too many to be kept one by one."""

    registers: bytearray  # the highest rank seen in each of the 256 streams
    inverse_sum: float  # sum of 2^-register, carried so that one author costs O(1)
    cells: list[int]  # mentions by author % 32

    def __init__(self, registers: bytearray, inverse_sum: float, cells: list[int]) -> None:
        self.registers = registers
        self.inverse_sum = inverse_sum
        self.cells = cells


@mypyc_attr(acyclic=True)
class Authors:
    """Who spoke, by author hash, and how often. Owned by one thread, and changed in place by `speak`."""

    estimate: int = 0  # how many people they are: exact up to 64
    busiest: int = 0  # mentions by the busiest of them: exact up to 64 people, never too low
    people: bytes = b""  # while they are few, 16 bytes for each, see `_PERSON`
    sketch: Sketch | None = None  # from then on

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Authors) and self.state() == other.state()

    def state(self) -> AuthorsState:
        """All of it, not copied."""
        if (sketch := self.sketch) is None:
            return (self.estimate, self.busiest, self.people, None)
        many = (sketch.registers, sketch.inverse_sum, sketch.cells)
        return (self.estimate, self.busiest, self.people, many)

    @staticmethod
    def restored(state: AuthorsState) -> Authors:
        """The authors that `state` came from."""
        authors = Authors()
        authors.estimate, authors.busiest, authors.people, sketch = state
        if sketch is not None:
            authors.sketch = Sketch(*sketch)
        return authors


def speak(authors: Authors, author: int, at_s: int) -> Came:
    """Count one more mention by `author`, a uniform 63-bit hash, at second `at_s`. Who came in with it?

    Summed over all mentions the answers are how many people spoke first in which second, whatever the order
    of the mentions, up to 64 people. Beyond, they follow the estimate, and the second is the mention's.
    """
    if authors.sketch is not None:
        return _speak_in_crowd(authors, authors.sketch, author, at_s)
    people = authors.people
    hashed = author.to_bytes(8, "little")
    if (at := people.find(hashed)) > 0 and at % _EACH:
        at = find(people, hashed, _EACH)
    if at >= 0:
        first_s, more = _REST.unpack_from(people, at + 8)
        more += 1
        if more >= authors.busiest:
            authors.busiest = more + 1
        rest = _REST.pack(at_s if at_s < first_s else first_s, more)
        authors.people = people[: at + 8] + rest + people[at + _EACH :]
        return () if at_s >= first_s else ((at_s, 1), (first_s, -1))
    people += hashed + at_s.to_bytes(8, "little")  # a `_PERSON`: no mentions beyond the first
    if not authors.busiest:
        authors.busiest = 1
    few = len(people) // _EACH
    if few <= _EXACT:
        authors.people, authors.estimate = people, few
    else:
        sketch = Sketch(bytearray(_REGISTERS), float(_REGISTERS), [0] * _CELLS)
        for one, _, more in _PERSON.iter_unpack(people):
            _note(sketch, one, 1 + more)
        authors.estimate, authors.busiest = _estimate(sketch), max(sketch.cells)
        authors.people, authors.sketch = b"", sketch
    return ((at_s, 1),)


def mentions_by(authors: Authors, author: int) -> int:
    """How often `author` spoke; beyond 64 people it may be said too high, never too low."""
    if authors.sketch is None:
        at = find(authors.people, author.to_bytes(8, "little"), _EACH)
        return 0 if at < 0 else 1 + int(_REST.unpack_from(authors.people, at + 8)[1])
    return authors.sketch.cells[author % _CELLS]


def _speak_in_crowd(authors: Authors, sketch: Sketch, author: int, at_s: int) -> Came:
    before, risen = authors.estimate, _note(sketch, author, 1)
    if (loudest := sketch.cells[author % _CELLS]) > authors.busiest:
        authors.busiest = loudest
    if not risen:
        return ()
    authors.estimate = _estimate(sketch)
    gained = authors.estimate - before
    return ((at_s, gained),) if gained > 0 else ()


def _note(sketch: Sketch, author: int, mentions: int) -> bool:
    """Whether a register has risen, and the estimate with it."""
    sketch.cells[author % _CELLS] += mentions
    index = author % _REGISTERS
    rank = min(56 - (author >> 8).bit_length(), _TOP_RANK)  # leading zeros of the other 55 bits, plus one
    old = sketch.registers[index]
    if rank <= old:
        return False
    sketch.registers[index] = rank
    sketch.inverse_sum += _HALVES[rank] - _HALVES[old]
    return True


def _estimate(sketch: Sketch) -> int:
    raw = _SCALE / sketch.inverse_sum
    if raw <= 2.5 * _REGISTERS and (blank := sketch.registers.count(0)):
        raw = _REGISTERS * math.log(_REGISTERS / blank)
    return round(raw)

"""Whom a rung of a ladder means now, and who of them may decide this case.

Law of this file: a roster is frozen and knows no clock; what is on call follows from the moment it is given.
Each name of a rung stands for people: a rotation for those on call, a person for themselves, `everyone` for
all. Of each name those are picked who hold what the case needs (`streams.authority.picked`), of `everyone`
all who hold anything of it. Where nobody on the whole ladder holds any of it, a rung means whoever stands
there: a page that says so is better than none. Who is handed a case is paged whatever they hold. A name that
is not there any more means everyone: a running incident keeps its ladder, and must not fall silent by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from streams.authority import Needed, Person, held, picked, reader_lang, why
from streams.delivery import Case
from streams.incident import Incident, Ladder, Reach
from streams.needs import Needs, text_of
from streams.rotation import Duty, Rotation, duties

__all__ = ["EVERYONE", "Roster", "names_of", "on_call_names"]

EVERYONE: Final = "everyone"


def _unknown(text: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Roster:
    """Who may decide, and how to reach them; see `streams.desk.Roster`.

    `ladders` are by brand, `ladder_of_all` is for brands without their own. `detect` tells a text's language.
    Raises ValueError for a ladder that names nobody it knows.
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    needs: Needs = field(default_factory=lambda: Needs(()))
    ladders: Mapping[str, Ladder] = field(default_factory=dict)
    ladder_of_all: Ladder | None = None
    detect: Callable[[str], str | None] = _unknown

    def __post_init__(self) -> None:
        for ladder in (*self.ladders.values(), *((self.ladder_of_all,) if self.ladder_of_all else ())):
            for name in names_of(ladder):
                if not self._is_known(name):
                    raise ValueError(f"a ladder names {name}, who is neither a person nor a rotation")

    def ladder(self, case: Case, now_ms: int) -> Ladder:
        """The brand's ladder, with what the case needs; one without a rung where there is none."""
        ladder = self.ladder_for(case.brand)
        needed = self.needs.of(case, self.lang_of(case)).needed
        return replace(ladder, needs=needed.authorities, amounts=needed.amounts)

    def ladder_for(self, brand: str) -> Ladder:
        """The ladder of a brand, whatever the case."""
        return self.ladders.get(brand) or self.ladder_of_all or Ladder(())

    def lang_of(self, case: Case) -> str:
        """The language of a case's words, "" if it can't be told."""
        return self.detect(text_of(case)) or ""

    def reach(self, whom: tuple[str, ...], incident: Incident, now_ms: int) -> tuple[Reach, ...]:
        """The people behind the names of a rung, at this moment, best language first in each name."""
        ladder = incident.ladder
        needed = Needed(ladder.needs, ladder.amounts)
        lang = self.lang_of(incident.case)
        handed = incident.owner is not None and whom == (incident.owner,)
        on_ladder = self._holders(ladder, needed, now_ms)
        missing = tuple(one for one in needed.authorities if one not in on_ladder)
        found: dict[str, Reach] = {}
        for name in whom:
            if handed and not self._is_known(name):
                continue
            people, duty = self._standing(name, now_ms)
            if handed or (needed.authorities and not on_ladder):
                chosen = people
            elif name == EVERYONE or not self._is_known(name):
                chosen = tuple(one for one in people if held(one, needed)) if needed.authorities else people
            else:
                chosen = picked(people, needed, lang)
            for one in chosen:
                reason = why(one, needed, duty, missing, handed)
                found.setdefault(one.name, Reach(one.name, one.channels, reason, reader_lang(one), one.zone))
        return tuple(found.values())

    def on_call(self, brand: str, now_ms: int) -> tuple[str, ...]:
        """All who stand on a brand's ladder now and can be paged, each once."""
        named = on_call_names(self.ladder_for(brand))
        standing = [one.name for name in named for one in self._standing(name, now_ms)[0]]
        return tuple(dict.fromkeys(standing))

    def duties_of(self, name: str, start_ms: int, end_ms: int) -> list[Duty]:
        """Who stands behind one name of a ladder during [start, end); none without a channel."""
        if name == EVERYONE:
            written = [Duty(start_ms, end_ms, tuple(self.people))]
        elif name in self.rotations:
            written = duties(self.rotations[name], start_ms, end_ms)
        else:
            written = [Duty(start_ms, end_ms, (name,))]
        return [one._replace(people=tuple(filter(self._can_be_paged, one.people))) for one in written]

    def _is_known(self, name: str) -> bool:
        return name in self.people or name in self.rotations or name == EVERYONE

    def _can_be_paged(self, name: str) -> bool:
        return name in self.people and bool(self.people[name].channels)

    def _standing(self, name: str, now_ms: int) -> tuple[tuple[Person, ...], str | None]:
        """Those behind a name now, and the rotation's name if it is one."""
        (duty,) = self.duties_of(name if self._is_known(name) else EVERYONE, now_ms, now_ms + 1)
        people = tuple(self.people[one] for one in duty.people)
        return people, name if name in self.rotations else None

    def _holders(self, ladder: Ladder, needed: Needed, now_ms: int) -> frozenset[str]:
        """What is needed and held by somebody on the ladder now."""
        people = [one for name in names_of(ladder) for one in self._standing(name, now_ms)[0]]
        return frozenset().union(*(held(one, needed) for one in people))


def names_of(ladder: Ladder) -> tuple[str, ...]:
    """All names on a ladder, each once."""
    return tuple(dict.fromkeys(name for rung in ladder.rungs for name in rung.whom))


def on_call_names(ladder: Ladder) -> tuple[str, ...]:
    """The names on a ladder that stand for people on call: not `everyone`, but where there is nobody else."""
    names = names_of(ladder)
    return tuple(name for name in names if name != EVERYONE) or names

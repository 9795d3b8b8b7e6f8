"""The try-out of everything at once: what it tells of its sources."""

from __future__ import annotations

from agents.listen import Status
from agents.run import Playing


def test_a_source_that_does_not_read_is_told_with_the_reason_and_made_harmless() -> None:
    """An empty view is no riddle: it says which source waits, and why; one that reads says nothing."""
    waiting = Status("waiting", "sky.example can't be reached\x1b[2J")
    playing = Playing(0, sources={"sky": waiting, "news": Status("reading")})
    assert playing.troubles == ["Source sky is waiting: sky.example can't be reached\\x1b[2J"]
    waiting.state, waiting.why = "reading", ""
    assert playing.troubles == []

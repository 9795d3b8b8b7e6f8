"""docs/sources.md is held against the settings: its examples are right, and every field is in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agents.settings import Settings
from agents.sources.kinds import KINDS, make
from agents.sources.source import Arrival, Context, UnusableError
from streams.post import Refused

PAGE = (Path(__file__).parents[3] / "docs" / "sources.md").read_text(encoding="utf-8")
EXAMPLES = [text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[sources." in text]
WRITTEN = (
    "bluesky",
    "mastodon",
    "feeds",
    "file",
    "webhook",
    "meta",
    "youtube",
    "x",
    "x_counts",
    "reddit",
    "volume",
)


def accepted() -> list[Any]:
    """The tables of the page, with texts for the secrets, whose files are not here."""
    told = [tomllib.loads(re.sub(r'\{ file = "[^"]*" \}', f'"{"k" * 32}"', example)) for example in EXAMPLES]
    return [one for each in told for one in Settings(**each).sources.values()]


def test_every_example_is_accepted_and_becomes_a_source() -> None:
    made = {one.kind: make(one, Context(one.kind)) for one in accepted()}
    assert set(WRITTEN) <= set(made)
    for kind, source in made.items():
        found = list(source.parse(Arrival(b"\xff", 1_780_000_000_000)))
        assert all(isinstance(one, Refused) for one in found), kind


def test_a_source_without_its_secrets_is_not_made_and_says_what_it_needs() -> None:
    """Workers read the same settings, and need none of them."""
    needy = [(one, name) for one in accepted() for name in KINDS[one.kind].secrets]
    assert len(needy) >= 8
    for one, name in needy:
        without = one.model_copy(update={name: None})
        with pytest.raises(UnusableError, match=f"kind {one.kind} needs {name}"):
            make(without, Context(one.kind))


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_field_of_a_kind_is_in_the_page(kind: str) -> None:
    hidden = {"server", "login_server"}  # for tests; nobody else has another server to ask
    fields = set(KINDS[kind].settings.model_fields) - hidden
    missing = {name for name in fields if not re.search(rf"(?m)`{name}`|^{name} = ", PAGE)}
    assert not missing

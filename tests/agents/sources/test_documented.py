"""docs/sources.md is held against the settings: its examples are right, and every field is in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from agents.settings import Settings
from agents.sources.kinds import KINDS

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


def test_every_example_is_accepted() -> None:
    """With texts for the secrets, whose files are not here."""
    kinds = set()
    for example in EXAMPLES:
        told = tomllib.loads(re.sub(r'\{ file = "[^"]*" \}', f'"{"k" * 32}"', example))
        kinds |= {one.kind for one in Settings(**told).sources.values()}
    assert set(WRITTEN) <= kinds


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_field_of_a_kind_is_in_the_page(kind: str) -> None:
    hidden = {"server", "login_server"}  # for tests; nobody else has another server to ask
    fields = set(KINDS[kind].settings.model_fields) - hidden
    missing = {name for name in fields if not re.search(rf"(?m)`{name}`|^{name} = ", PAGE)}
    assert not missing

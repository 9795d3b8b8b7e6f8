"""The settings of the pages: all errors at once, and nothing secret in them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from agents.commands.check import _web
from agents.errors import SettingsError
from agents.settings import Settings, read_settings
from agents.web.settings import Web
from agents.web.signin import hash_of

HASH = hash_of("a token")


def read(text: str, clean_settings: Any) -> Settings:
    (clean_settings / "flashover.toml").write_text(text)
    return read_settings()


def test_a_whole_table_is_read(clean_settings: Any) -> None:
    settings = read(
        f"""
        web_key = ["{"k" * 16}", "{"o" * 16}"]
        [web]
        public_url = "https://flashover.example/"
        timezone = "Europe/Berlin"
        trusted_proxies = ["10.0.0.0/8", "::1"]
        user_header = "X-Forwarded-User"
        groups.desk = "act"
        [web.tokens."reply tool"]
        hash = "{HASH}"
        when_unknown = "hold"
        """,
        clean_settings,
    )
    assert settings.web.public_url == "https://flashover.example"
    assert settings.web.tokens["reply tool"].role == "read"
    assert settings.web_keys == (b"k" * 16, b"o" * 16)
    assert "kkkk" not in repr(settings)
    assert HASH not in repr(settings)


def test_keys_come_from_a_variable_or_a_file(clean_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parted by commas or lines, so that they can be rotated."""
    monkeypatch.setenv("FLASHOVER_WEB_KEY", f"{'k' * 16}, {'o' * 16}")
    assert read_settings().web_keys == (b"k" * 16, b"o" * 16)
    monkeypatch.delenv("FLASHOVER_WEB_KEY")
    (clean_settings / "key").write_text(f"{'n' * 20}\n{'k' * 16}\n")
    monkeypatch.setenv("FLASHOVER_WEB_KEY_FILE", str(clean_settings / "key"))
    assert read_settings().web_keys == (b"n" * 20, b"k" * 16)


def test_all_that_is_wrong_is_told_and_no_secret_with_it(clean_settings: Any) -> None:
    """A token or a key in the wrong place, too."""
    with pytest.raises(SettingsError) as caught:
        read(
            """
            web_key = ["hunter2"]
            [web]
            port = 70000
            public_url = "flashover.example"
            timezone = "Europe/Nowhere"
            trusted_proxies = ["10.0.0.0/33"]
            user_header = "X Forwarded"
            people.lead = "boss"
            tokens.a = "hunter2"
            tokens.b.hash = "hunter2"
            tokens.c.hahs = "hunter2"
            """,
            clean_settings,
        )
    told = str(caught.value)
    for name in (
        "web_key",
        "web.port",
        "web.public_url",
        "web.timezone",
        "web.trusted_proxies",
        "web.user_header",
        "web.people.lead",
        "web.tokens.a",
        "web.tokens.b.hash",
        "web.tokens.c.hash",
        "is hash meant?",
    ):
        assert name in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pw@x.example",
        "https://x.example/path",
        "https://x.example?q",
        "ftp://x.example",
        "https://",
    ],
)
def test_a_public_url_is_a_scheme_and_a_host(clean_settings: Any, url: str) -> None:
    with pytest.raises(SettingsError):
        read(f'[web]\npublic_url = "{url}"', clean_settings)


@pytest.mark.parametrize(
    ("web", "key", "says"),
    [
        ({}, (), []),
        ({"public_url": "https://x.example"}, ("k" * 16,), []),
        ({"public_url": "https://x.example"}, (), ["pages have no links"]),
        ({}, ("k" * 16,), ["pages have no links"]),
        ({"public_url": "http://x.example"}, ("k" * 16,), ["on the way"]),
        ({"public_url": "http://localhost:9480"}, ("k" * 16,), []),
        ({"trusted_proxies": ["::1"], "user_header": "X-User"}, (), ["has a role"]),
        ({"trusted_proxies": ["::1"], "user_header": "X-User", "everybody": "read"}, (), []),
    ],
)
def test_check_tells_what_would_leave_people_before_a_closed_door(
    web: dict[str, Any], key: tuple[str, ...], says: list[str]
) -> None:
    settings = Settings(web=Web.model_validate(web), web_key=tuple(SecretStr(one) for one in key))
    found = _web(settings)
    assert len(found) == len(says)
    for one, words in zip(found, says, strict=True):
        assert (one.status, one.what) == ("warning", "web")
        assert words in one.detail

"""Who asks: tokens by their hash, sessions by their key, people by a proxy that is trusted."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agents.web.settings import Web
from agents.web.signin import Failures, Person, Registry, hash_of, may, new_token, origin_of
from streams.signed import seal

KEYS = (b"k" * 32, b"o" * 32)


def web(**fields: Any) -> Web:
    return Web.model_validate(
        {"trusted_proxies": ["10.0.0.0/8", "::1"], "user_header": "X-User", "groups_header": "X-Groups"}
        | fields
    )


def registry(**fields: Any) -> Registry:
    return Registry(web(**fields), KEYS)


@pytest.mark.parametrize(
    ("peer", "forwarded", "proto", "address", "secure", "by_proxy"),
    [
        ("203.0.113.9", [], "", "203.0.113.9", False, False),
        ("203.0.113.9", ["198.51.100.1"], "https", "203.0.113.9", False, False),  # no proxy of ours
        ("10.0.0.1", ["198.51.100.1"], "https", "198.51.100.1", True, True),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "", "203.0.113.9", False, True),  # the left is hearsay
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "", "198.51.100.1", False, True),  # a chain of ours
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9"], "", "203.0.113.9", False, True),  # two lines
        ("10.0.0.1", ["nonsense, 10.0.0.2"], "", "10.0.0.2", False, True),
        ("10.0.0.1", [], "HTTPS", "10.0.0.1", True, True),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "", "198.51.100.1", False, True),
        ("::1", ["2001:db8::7"], "", "2001:db8::7", False, True),
        ("", [], "", "", False, False),
    ],
)
def test_an_address_is_taken_from_proxies_of_ours_alone(
    peer: str, forwarded: list[str], proto: str, address: str, secure: bool, by_proxy: bool
) -> None:
    assert origin_of(web(), peer, forwarded, proto, "http") == (address, secure, by_proxy)


@pytest.mark.parametrize(
    ("headers", "settings", "role"),
    [
        ({"x-user": ["lead"]}, {"people": {"lead": "act"}}, "act"),
        ({"x-user": ["lead"]}, {}, None),  # let in by the proxy, and nobody here
        ({"x-user": ["lead"]}, {"everybody": "read"}, "read"),
        ({"x-user": ["lead"], "x-groups": ["staff, desk"]}, {"groups": {"desk": "act"}}, "act"),
        (
            {"x-user": ["lead"], "x-groups": ["desk"]},
            {"groups": {"desk": "read"}, "people": {"lead": "admin"}},
            "admin",
        ),
        ({"x-user": ["lead"], "x-groups": ["a", "desk"]}, {"groups": {"desk": "act"}}, None),
        ({"x-user": ["lead", "boss"]}, {"everybody": "admin"}, None),  # one of them is not the proxy's
        ({"x-user": [""]}, {"everybody": "admin"}, None),
        ({"x-user": ["a\x1b[31m"]}, {"everybody": "admin"}, None),
        ({"x-user": ["a" * 101]}, {"everybody": "admin"}, None),
        ({}, {"everybody": "admin"}, None),
    ],
)
def test_a_proxy_names_people_and_the_settings_their_roles(
    headers: dict[str, list[str]], settings: dict[str, Any], role: str | None
) -> None:
    person = registry(**settings).by_proxy(headers)
    assert (person.role if person else None) == role


def test_a_header_without_a_trusted_proxy_is_a_wrong_setting() -> None:
    with pytest.raises(ValidationError, match="anybody can send a header"):
        Web.model_validate({"user_header": "X-User"})


def test_tokens_are_known_by_their_hash_alone() -> None:
    token = new_token()
    one = registry(tokens={"tool": {"hash": hash_of(token), "role": "act"}})
    assert one.by_token(token) == Person("tool", "act", "token", "send")
    assert one.by_token(hash_of(token)) is None
    assert one.by_token("") is None
    assert one.by_token("\ud800") is None
    assert len(token) > 50
    assert token != new_token()


def test_a_session_holds_for_its_time_and_as_long_as_its_token_does() -> None:
    token, other = new_token(), new_token()
    tokens = {"tool": {"hash": hash_of(token), "role": "act"}}
    one = registry(tokens=tokens, session_s=600)
    cookie = one.begin_session(token, 1000.0)
    assert cookie is not None
    assert one.begin_session(other, 1000.0) is None
    assert one.by_session(cookie, 1599.0) == Person("tool", "act", "session", "send")
    assert one.by_session(cookie, 1600.0) is None
    assert registry(tokens={}).by_session(cookie, 1000.0) is None
    renewed = {"tool": {"hash": hash_of(other), "role": "act"}}
    assert registry(tokens=renewed).by_session(cookie, 1000.0) is None
    less = {"tool": {"hash": hash_of(token), "role": "read"}}
    found = registry(tokens=less).by_session(cookie, 1000.0)
    assert found is not None
    assert found.role == "read"
    assert Registry(web(tokens=tokens), (b"n" * 32, KEYS[0])).by_session(cookie, 1000.0) is not None
    assert Registry(web(tokens=tokens), (b"n" * 32,)).by_session(cookie, 1000.0) is None
    assert one.by_session(seal(KEYS[0], "session", b"nonsense"), 1000.0) is None


def test_a_form_is_bound_to_its_browser_and_person() -> None:
    one = registry()
    token = one.form_token("cookie", "lead")
    assert one.is_our_form(token, "cookie", "lead")
    assert not one.is_our_form(token, "another", "lead")
    assert not one.is_our_form(token, "cookie", "duty")
    assert not one.is_our_form(token, "", "lead")
    assert not one.is_our_form("", "cookie", "lead")
    assert Registry(web(), (b"n" * 32, KEYS[0])).is_our_form(token, "cookie", "lead")


def test_roles_hold_what_the_lesser_ones_may() -> None:
    one = Person("lead", "act", "token")
    assert [may(one, role) for role in ("read", "act", "admin")] == [True, True, False]


def test_failures_are_forgotten_after_a_minute_and_by_address() -> None:
    failures = Failures()
    assert [failures.note("a", 0.0) for _ in range(21)] == [True] * 20 + [False]
    assert failures.note("b", 0.0)
    assert not failures.note("a", 59.0)
    assert failures.note("a", 60.5)

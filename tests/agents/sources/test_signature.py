"""Who may push: signatures, their window, and keys that are being replaced."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from agents.sources.signature import hub, key_of, standard

NOW_S = 1_780_000_000
KEY, OTHER = b"k" * 24, b"o" * 32
BODY = b'{"id":"a:1"}'


def signed(body: bytes = BODY, key: bytes = KEY, at_s: int = NOW_S, id: str = "msg_1") -> dict[str, str]:
    """The headers of Standard Webhooks 1.0 ("Signature scheme")."""
    mac = hmac.new(key, f"{id}.{at_s}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


def test_the_example_of_the_specification_s_libraries_is_accepted() -> None:
    """The secret, message and signature that all reference libraries test with."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert standard(headers, b'{"test": 2432232314}', [key], 1614265330) == ""


def test_any_of_several_keys_signs_while_one_is_being_replaced() -> None:
    both = signed()
    both["webhook-signature"] += " " + signed(key=OTHER)["webhook-signature"]
    assert standard(signed(), BODY, [OTHER, KEY], NOW_S) == ""
    assert standard(both, BODY, [OTHER], NOW_S) == ""
    assert standard(signed(), BODY, [OTHER], NOW_S) == "wrong-signature"


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        ({}, BODY, "unsigned"),
        (signed() | {"webhook-id": ""}, BODY, "unsigned"),
        (signed() | {"webhook-timestamp": "tomorrow"}, BODY, "bad-timestamp"),
        (signed() | {"webhook-timestamp": "٣٤"}, BODY, "bad-timestamp"),
        (signed() | {"webhook-timestamp": "9" * 400}, BODY, "bad-timestamp"),
        (signed(), BODY + b" ", "wrong-signature"),
        (signed() | {"webhook-id": "msg_2"}, BODY, "wrong-signature"),
        (signed() | {"webhook-timestamp": str(NOW_S + 1)}, BODY, "wrong-signature"),
        (signed() | {"webhook-signature": "v2" + signed()["webhook-signature"][2:]}, BODY, "wrong-signature"),
        (signed() | {"webhook-signature": "v1,\udce9"}, BODY, "wrong-signature"),
        (signed(at_s=NOW_S - 301), BODY, "stale"),
        (signed(at_s=NOW_S + 301), BODY, "stale"),
        (signed(at_s=NOW_S - 300), BODY, ""),
    ],
)
def test_what_is_not_signed_now_by_us_is_told_in_a_word(
    headers: dict[str, str], body: bytes, why: str
) -> None:
    assert standard(headers, body, [KEY], NOW_S) == why


@pytest.mark.parametrize("secret", ["short", "whsec_!", "whsec_c2hvcnQ=", "x" * 65, "whsec_"])
def test_a_key_that_can_be_guessed_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match=r"bytes|base64") as error:
        key_of(secret)
    assert secret not in str(error.value).replace("whsec_", "", 1) or secret == "whsec_"


def test_meta_s_signature_is_over_the_bytes_as_they_came() -> None:
    mac = "sha256=" + hmac.new(b"app", BODY, hashlib.sha256).hexdigest()
    assert hub(mac, BODY, b"app") == ""
    assert hub(mac, BODY + b"\n", b"app") == "wrong-signature"
    assert hub(mac.upper(), BODY, b"app") == "wrong-signature"
    assert hub("", BODY, b"app") == "unsigned"
    assert hub("sha1=\udce9", BODY, b"app") == "wrong-signature"

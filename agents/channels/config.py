"""What an operator may set of a channel: the tables `[channels.NAME]`.

Law of this file: every address is a secret, for most hold a token. A channel that is a text and no table is
an Apprise URL. Nothing is sent and no client library is imported here.
"""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    field_validator,
)

__all__ = [
    "KINDS",
    "AlertmanagerChannel",
    "AppriseChannel",
    "Channel",
    "Channels",
    "GoAlertChannel",
    "PagerDutyChannel",
    "WebhookChannel",
]

KINDS: Final = ("apprise", "pagerduty", "goalert", "alertmanager", "webhook")
_LABEL: Final = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
#: The labels that say what an alert is; an operator's own stand beside them.
RESERVED_LABELS: Final = frozenset({"alertname", "brand", "scope", "severity", "incident", "channel"})
_APPRISE: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{1,30}://.+")
_MOST_SECRET_BYTES: Final = 64 * 1024


def _from_file(value: object) -> object:
    """A secret itself, or what stands in the file of `{ file = "/run/secrets/…" }`; space around is cut."""
    if not (isinstance(value, dict) and value.keys() == {"file"}):
        return value
    try:
        with Path(str(value["file"])).open(encoding="utf-8") as file:
            return file.read(_MOST_SECRET_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ValueError(f"its file can't be read ({why})") from None


Secret = Annotated[SecretStr, BeforeValidator(_from_file)]


class _Channel(BaseModel):
    """What all have: `per_min`, how many deliveries a minute it takes, in [1, 6000]."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    per_min: int = Field(default=60, ge=1, le=6000)


class _Http(_Channel):
    @field_validator("url", check_fields=False)
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            right = False
        if not right or any(ord(one) <= 32 or ord(one) > 126 for one in url.get_secret_value()):
            raise ValueError("must be an http:// or https:// address")
        return url


class AppriseChannel(_Channel):
    """Any service that Apprise knows, mail by SMTP among them, by its URL."""

    kind: Literal["apprise"] = "apprise"
    url: Secret

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if not _APPRISE.fullmatch(text):
            raise ValueError("must be an Apprise URL, such as mailtos://… or ntfys://…")
        if re.search(r"[?&]verify=(no|false|0|off|n|f)\b", text, re.I):
            raise ValueError(
                "verify=no would send secrets to whoever answers; trust the right authority instead"
            )
        return url


class PagerDutyChannel(_Http):
    """A service of PagerDuty, by the integration key of its Events API v2."""

    kind: Literal["pagerduty"]
    routing_key: Secret
    url: Secret = SecretStr("https://events.pagerduty.com/v2/enqueue")  # another one: the EU's, a proxy

    @field_validator("routing_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[A-Za-z0-9]{32}", key.get_secret_value()):
            raise ValueError("must be the 32 letters and digits of an Events API v2 integration key")
        return key


class GoAlertChannel(_Http):
    """A service of GoAlert, by the token of a generic API key; `url` is that of the server."""

    kind: Literal["goalert"]
    url: Secret
    token: Secret


class AlertmanagerChannel(_Http):
    """Alertmanager's API v2; `url` is that of the server, with user and password if it asks for them."""

    kind: Literal["alertmanager"]
    url: Secret
    labels: dict[Annotated[str, Field(pattern=_LABEL, max_length=64)], str] = Field(default_factory=dict)

    @field_validator("labels")
    @classmethod
    def _labels_are_free(cls, labels: dict[str, str]) -> dict[str, str]:
        if taken := sorted(RESERVED_LABELS & labels.keys()):
            raise ValueError(f"flashover itself sets {', '.join(taken)}")
        return labels


class WebhookChannel(_Http):
    """A server of one's own, that gets JSON signed with `secret` (at least 16 bytes; docs/channels.md)."""

    kind: Literal["webhook"]
    url: Secret
    secret: Secret

    @field_validator("secret")
    @classmethod
    def _is_long(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        key = text.encode("utf-8", "surrogatepass")
        if text.startswith("whsec_"):
            try:
                key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
            except binascii.Error:
                raise ValueError("what follows whsec_ must be base64") from None
        if len(key) < 16:
            raise ValueError("must have at least 16 bytes")
        return secret


def _as_table(value: object) -> object:
    if not isinstance(value, str | dict | BaseModel):
        raise ValueError("must be a text or a table")
    return {"url": value} if isinstance(value, str) else value


def _kind_of(value: Any) -> Any:
    return value.get("kind", "apprise") if isinstance(value, dict) else getattr(value, "kind", None)


Channel = Annotated[
    Annotated[AppriseChannel, Tag("apprise")]
    | Annotated[PagerDutyChannel, Tag("pagerduty")]
    | Annotated[GoAlertChannel, Tag("goalert")]
    | Annotated[AlertmanagerChannel, Tag("alertmanager")]
    | Annotated[WebhookChannel, Tag("webhook")],
    Discriminator(
        _kind_of,
        custom_error_type="no_such_kind",
        custom_error_message=f"kind must be one of {', '.join(KINDS)}",
    ),
    BeforeValidator(_as_table),
]

#: By name, which people name: a-z 0-9 _ -, so that a variable can set each.
Channels = dict[Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")], Channel]

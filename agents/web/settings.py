"""The settings of the pages and the API: table `[web]`.

Law of this file: as that of `agents.settings`, of which it is a part. A token is known by its hash alone.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from streams.links import LASTING_S

__all__ = ["ROLES", "Network", "Role", "Token", "Web"]

Role = Literal["read", "act", "admin"]
#: What each may do, the less first: look and ask; answer for incidents; mute and merge as well.
ROLES: Final[tuple[Role, ...]] = ("read", "act", "admin")

Network = IPv4Network | IPv6Network
_HEADER: Final = r"^[A-Za-z][A-Za-z0-9-]*$"
_HASH: Final = r"sha256:[0-9a-f]{64}"
_NAME: Final = r"^[^\x00-\x1f\x7f]{1,100}$"


def _network(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ip_network(value)
    except ValueError as error:
        raise ValueError(f"not an address or a network like 10.0.0.0/8: {error}") from None


class Token(BaseModel):
    """A program that may ask. `flashover tokens create` prints the token once, and the hash to write here.

    `when_unknown` is what a reply tool is told to do with a draft while flashover itself can't tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    hash: SecretStr  # masked, since the token itself may be pasted here
    role: Role = "read"
    when_unknown: Literal["send", "hold"] = "send"

    @field_validator("hash")
    @classmethod
    def _is_a_hash(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(_HASH, value.get_secret_value()):
            raise ValueError(
                "must be sha256: and 64 hexadecimal digits, as `flashover tokens create` prints it"
            )
        return value


class Web(BaseModel):
    """Where the pages answer, and who is let in. Nobody is as long as neither tokens nor a header are set."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    port: int = Field(default=9480, ge=0, le=65_535)  # 0: one that is free
    public_url: str | None = None  # where people reach it, through their proxy; links in pages begin so
    timezone: str = "UTC"  # of the times on the pages
    link_s: float = Field(default=LASTING_S, ge=60, le=86_400)  # how long a link in a page can be used
    session_s: float = Field(default=12 * 3600.0, ge=300, le=7 * 86_400)  # from one sign-in to the next
    stale_after_s: float = Field(default=30.0, ge=1, le=3600)  # out of touch so long: nothing is known
    tokens: dict[Annotated[str, Field(pattern=_NAME)], Token] = Field(default_factory=dict)
    # People are signed in by a reverse proxy, which tells who they are in a header of each request.
    trusted_proxies: tuple[Annotated[Network, BeforeValidator(_network)], ...] = ()
    user_header: str | None = Field(default=None, pattern=_HEADER)
    groups_header: str | None = Field(default=None, pattern=_HEADER)  # parted by commas
    people: dict[str, Role] = Field(default_factory=dict)  # by the name in the header
    groups: dict[str, Role] = Field(default_factory=dict)
    everybody: Role | None = None  # whom the proxy let in, and who is in neither

    @field_validator("public_url")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise ValueError("must be like https://flashover.example")
        if "@" in parts.netloc or parts.path.strip("/"):
            raise ValueError("must have neither a user nor a path")
        return url.rstrip("/")

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_+/-]+", name):
            raise ValueError("must be a name like Europe/Berlin")
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            raise ValueError("there is no such time zone here; a name is like Europe/Berlin") from None
        return name

    @field_validator("user_header")
    @classmethod
    def _is_told_by_a_proxy(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None and info.data.get("trusted_proxies") == ():
            raise ValueError("needs trusted_proxies: anybody can send a header")
        if name is not None and name.lower() in ("authorization", "cookie", "host", "origin"):
            raise ValueError("this header means something else")
        return name

"""The settings: read once, here, and nowhere else.

Law of this file: `read_settings` answers with settings that are right in every field, or with one
SettingsError that names every field that is wrong, what is wrong with it and where it came from. Nobody
else reads a settings file or an environment variable. Secrets are masked in everything that can be shown.

Sources, the stronger first: environment variables `FLASHOVER_*` (nested fields with two underscores:
`FLASHOVER_THRESHOLDS__PAGE=0.6`), for secrets the file that `FLASHOVER_NAME_FILE` names, the TOML file that
FLASHOVER_CONFIG names (else `flashover.toml` in the working directory, if there), the defaults below. An
empty variable counts as unset.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import ssl
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from agents.channels.config import Channels
from agents.cross_checks import cross_checks
from agents.errors import SettingsError
from agents.on_call.people import LadderTable, Name, Need, Person, RotationTable
from agents.settings_errors import Given, sentences, source_of
from agents.source_settings import SOURCE_NAME, SourceSettings
from agents.terminal import safe
from agents.toml_lines import Lines
from agents.web.settings import Web
from agents.words import WordSettings
from streams.brand import BrandParams
from streams.incident import Rules
from streams.matching import Matcher, Terms
from streams.mention import Decoder
from streams.params import ThreadParams, ViralAt

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT

__all__ = [
    "DEVELOPMENT_KEY",
    "Brand",
    "Settings",
    "addresses",
    "read_settings",
    "settings_file",
    "unknown_variables",
]

PREFIX: Final = "FLASHOVER_"
CONFIG_VARIABLE: Final = "FLASHOVER_CONFIG"
DEFAULT_FILE: Final = Path("flashover.toml")
_FILE: Final = "_FILE"

# Known to everybody who reads this line: good for trying out, and `flashover check` says so.
DEVELOPMENT_KEY: Final = SecretStr("flashover-development-key")

# Variables of ours that are no settings: where the file is, and what the tests and measurements take.
_NO_SETTINGS: Final = {CONFIG_VARIABLE, "FLASHOVER_TEST_BROKER", "FLASHOVER_DATA"}

_TOPIC_CHARACTERS: Final = r"^[A-Za-z0-9._-]*$"
_BROKER: Final = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})$")
_CHECKED_NONE: Final = Field(default=None, validate_default=True)  # absent is right only without SASL
_KEY_BYTES: Final = 16  # what is guessed at must not be guessed
_SLUG: Final = r"^[a-z0-9][a-z0-9_.-]*$"
_AT: Final = re.compile(r"^(\w+:)?@")  # of an account, also behind its platform


class Brand(BaseModel):
    """One brand: its own accounts (ids or handles, any case, with or without @), and its size of a storm.

    `viral_at` is in mentions within 24 hours, or "top-1%"; None takes that of the thresholds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    accounts: tuple[str, ...] = ()
    viral_at: Annotated[int, Field(ge=2)] | Literal["top-1%"] | None = None
    # What the brand is known by in other people's posts (streams/matching.py)
    names: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    @field_validator("names", "handles", "hashtags", "domains", "phrases", "exclude", mode="after")
    @classmethod
    def _terms_are_something(cls, terms: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        Terms(**{info.field_name or "names": terms})
        return terms

    @property
    def terms(self) -> Terms:
        """What a matcher looks for. The brand's own accounts, without their platform, are handles, too."""
        own = tuple(one for one in self.accounts if ":" not in one or one.startswith("did:"))
        own += tuple(
            name
            for platform, _, name in (one.partition(":") for one in self.accounts)
            if name and platform != "did"
        )
        return Terms(
            self.names,
            (*self.handles, *own),
            self.hashtags,
            self.domains,
            self.phrases,
            self.exclude,
            self.languages,
        )

    @field_validator("accounts", mode="after")
    @classmethod
    def _plain_accounts(cls, accounts: tuple[str, ...]) -> tuple[str, ...]:
        plain = tuple(_AT.sub(r"\1", one.strip().lower()) for one in accounts)
        if any(not one or one.endswith(":") for one in plain):
            raise ValueError("an account must not be empty")
        return plain


class Settings(BaseSettings):
    """Everything an operator can set. Made by `read_settings`, never changed in place."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    brokers: Annotated[tuple[str, ...], NoDecode] = (
        "localhost:9092",
    )  # host:port; a variable parts by commas
    app_id: str = Field(default="flashover", min_length=1, max_length=100, pattern=_TOPIC_CHARACTERS)
    topic_prefix: str = Field(default="", max_length=100, pattern=_TOPIC_CHARACTERS)
    partitions: int = Field(default=8, ge=1, le=10_000)  # of every topic that is keyed by thread
    replication: int = Field(default=1, ge=1, le=32)  # copies of each partition
    author_key: SecretStr = DEVELOPMENT_KEY  # at most 64 bytes: the key under which author ids are hashed
    brands: dict[Annotated[str, Field(max_length=64, pattern=_SLUG)], Brand] = Field(default_factory=dict)
    thresholds: ThreadParams = ThreadParams()
    brand_thresholds: BrandParams = BrandParams()
    paging: Rules = Rules()
    people: dict[Name, Person] = Field(default_factory=dict)  # who may decide (agents/on_call/people.py)
    rotations: dict[Name, RotationTable] = Field(default_factory=dict)
    needs: dict[Name, Need] = Field(default_factory=dict)
    ladders: dict[Name, LadderTable] = Field(default_factory=dict)
    channels: Channels = Field(default_factory=dict)  # an Apprise URL or a table; all of them secret
    web: Web = Web()  # the pages and the API
    web_key: Annotated[tuple[SecretStr, ...], NoDecode] = ()  # signs links and sessions; old ones still read
    words: WordSettings = WordSettings()
    heartbeat_url: SecretStr | None = None  # posted to once a minute, as long as all is well
    sources: dict[Annotated[str, Field(pattern=SOURCE_NAME)], SourceSettings] = Field(default_factory=dict)
    source_metrics_port: int = Field(default=9465, ge=0, le=65_535)  # of `flashover source run`; 0: nowhere
    flush_interval_s: float = Field(default=1.0, gt=0, le=60)  # how often touched threads are written down
    session_timeout_s: float = Field(default=10.0, ge=1, le=300)  # a worker silent for so long has died
    idle_after_s: float = Field(
        default=15.0, gt=0, le=600
    )  # brands don't wait for a partition silent so long
    stall_after_s: float = Field(
        default=120.0, ge=5
    )  # a worker that reads nothing for so long while records wait ends
    idempotent_producer: bool = (
        True  # a retried send is stored once; a broker that is not Kafka may refuse it
    )
    max_record_bytes: int = Field(default=16 * 1024 * 1024, ge=16 * 1024, le=512 * 1024 * 1024)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = _CHECKED_NONE
    sasl_username: str | None = _CHECKED_NONE
    sasl_password: SecretStr | None = _CHECKED_NONE
    ssl_cafile: Path | None = None  # PEM; None takes the system's
    metrics_host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    metrics_port: int = Field(default=9464, ge=0, le=65_535)  # where Prometheus reads; 0: nowhere
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    state_dir: Path = Field(default_factory=lambda: _state_home() / "flashover")  # for logs

    @property
    def has_development_key(self) -> bool:
        """True if author ids are hashed under the key that everybody knows."""
        return self.author_key == DEVELOPMENT_KEY

    @property
    def web_keys(self) -> tuple[bytes, ...]:
        """The keys of links and sessions in clear, the present one first."""
        return tuple(key.get_secret_value().encode() for key in self.web_key)

    def params_for(self, brand: str) -> ThreadParams:
        """The thresholds of one brand's threads; the general ones for a brand that has none of its own."""
        own = self.brands.get(brand)
        if own is None or own.viral_at is None:
            return self.thresholds
        return _with_viral_at(self.thresholds, own.viral_at)

    def decoder(self) -> Decoder:
        """The one that checks mentions under these settings."""
        return Decoder(self.author_key.get_secret_value().encode(), self.own_accounts())

    def own_accounts(self) -> dict[str, frozenset[str]]:
        """Each brand's own accounts, as they are compared: lower case, without @."""
        return {slug: frozenset(brand.accounts) for slug, brand in self.brands.items()}

    def matcher(self) -> Matcher:
        """The one that finds the brands in texts under these settings."""
        return Matcher({slug: brand.terms for slug, brand in self.brands.items()})

    def kafka_python_kwargs(self) -> dict[str, Any]:
        """Where the brokers are and how to be let in, as every client of kafka-python takes it.

        Holds the password in clear: hand it on, never show it.
        """
        kwargs: dict[str, Any] = {
            "bootstrap_servers": list(self.brokers),
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL_"):
            kwargs["sasl_mechanism"] = self.sasl_mechanism
            kwargs["sasl_plain_username"] = self.sasl_username
            if self.sasl_password is not None:
                kwargs["sasl_plain_password"] = self.sasl_password.get_secret_value()
        if self.ssl_cafile is not None:
            kwargs["ssl_cafile"] = str(self.ssl_cafile)
        return kwargs

    def aiokafka_kwargs(self) -> dict[str, Any]:
        """The same for aiokafka's clients; holds the password in clear."""
        kwargs: dict[str, Any] = {
            "bootstrap_servers": list(self.brokers),
            "security_protocol": self.security_protocol,
            "ssl_context": self._ssl_context(),
        }
        if self.security_protocol.startswith("SASL_"):
            kwargs["sasl_mechanism"] = self.sasl_mechanism
            kwargs["sasl_plain_username"] = self.sasl_username
            kwargs["sasl_plain_password"] = self._password()
        return kwargs

    def faust_credentials(self) -> CredentialsT | None:
        """The same for Faust; holds the password in clear. None where nobody asks who we are."""
        from faust import SASLCredentials, SSLCredentials  # half a second that only a worker spends

        context = self._ssl_context()
        if self.security_protocol.startswith("SASL_"):
            return SASLCredentials(
                mechanism=self.sasl_mechanism,
                username=self.sasl_username,
                password=self._password(),
                ssl_context=context,
            )
        return SSLCredentials(context) if context is not None else None

    def _password(self) -> str | None:
        return self.sasl_password.get_secret_value() if self.sasl_password is not None else None

    def _ssl_context(self) -> ssl.SSLContext | None:
        if not self.security_protocol.endswith("SSL"):
            return None
        return ssl.create_default_context(cafile=str(self.ssl_cafile) if self.ssl_cafile else None)

    @field_validator("brokers", mode="before")
    @classmethod
    def _part_by_commas(cls, value: object) -> object:
        return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value

    @field_validator("brokers")
    @classmethod
    def _brokers_are_addresses(cls, brokers: tuple[str, ...]) -> tuple[str, ...]:
        return addresses(brokers)

    @field_validator("author_key")
    @classmethod
    def _key_fits(cls, key: SecretStr) -> SecretStr:
        size = len(key.get_secret_value().encode("utf-8", "surrogatepass"))
        if not 1 <= size <= 64:
            raise ValueError(f"it must have 1 to 64 bytes, and has {size}")
        return key

    @field_validator("web_key", mode="before")
    @classmethod
    def _keys_part_by_commas(cls, value: object) -> object:
        return re.split(r"[,\s]+", value.strip(", \n\t")) if isinstance(value, str) else value

    @field_validator("web_key")
    @classmethod
    def _keys_are_long(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value().encode("utf-8", "surrogatepass")) < _KEY_BYTES for key in keys):
            raise ValueError(f"each key must have {_KEY_BYTES} bytes or more")
        return keys

    @field_validator("security_protocol", "sasl_mechanism", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_small_letters(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("ssl_cafile")
    @classmethod
    def _file_is_there(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError("there is no such file")
        return path

    @field_validator("sasl_mechanism", "sasl_username", "sasl_password")
    @classmethod
    def _credentials_are_whole(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("security_protocol", "")
        if protocol.startswith("SASL_") and not value:
            raise ValueError(f"security_protocol {protocol} needs it")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the file, whose table `read_settings` gives as keywords."""
        return _Environment(settings_cls), init_settings


class _Environment(EnvSettingsSource):
    """Environment variables; what should be JSON and is not goes on: validation reports it with the rest."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def addresses(brokers: tuple[str, ...]) -> tuple[str, ...]:
    """The very same broker addresses. Raises ValueError if there is none, or one is not host:port."""
    if not brokers:
        raise ValueError("at least one host:port is needed")
    for one in brokers:
        match = _BROKER.match(one)
        if match is None or not 0 < int(match[2]) < 65_536:
            raise ValueError(f"'{safe(one)}' is not host:port")
    return brokers


def read_settings(config: Path | None = None) -> Settings:
    """The settings, from the file `config` (None: as the head of this file says) and the environment.

    Raises SettingsError with a sentence for everything that is wrong.
    """
    problems: list[str] = []
    path, text, table = _read_file(config, problems)
    table |= _read_secrets(problems)
    variables = {name.upper(): name for name, value in os.environ.items() if value}
    given = Given(Settings, path, table, Lines(text), PREFIX, variables)
    try:
        settings = Settings(**table)
    except ValidationError as error:
        problems += sentences(error.errors(include_url=False), given)
    together = _merged(table, _Environment(Settings)())
    for loc, what in cross_checks(together):
        problems.append(f"{safe('.'.join(map(str, loc)))}: {what} ({source_of(loc, given)})")
    if problems:  # raised out here, so that no chained error carries what was put in
        raise SettingsError(problems)
    return settings


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Sentences on variables that look like settings and are none: typing slips, most likely.

    They are no errors: a cluster that runs a service called flashover sets FLASHOVER_PORT and the like.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {PREFIX + name.upper() + _FILE for name in _secrets()}
    unknown = sorted(
        name
        for name in environ
        if name.upper().startswith(PREFIX)
        and name.upper() not in _NO_SETTINGS
        and name.upper().split("__")[0] not in known
    )
    sentences = []
    for name in unknown:
        near = difflib.get_close_matches(name.upper(), known, n=1)
        sentences.append(f"{safe(name)} is no setting" + (f"; is {near[0]} meant?" if near else ""))
    return sentences


def _secrets() -> list[str]:
    return [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def _read_secrets(problems: list[str]) -> dict[str, str]:
    """Secrets from files that `FLASHOVER_NAME_FILE` names, as containers get them; space around is cut."""
    found = {}
    for name in _secrets():
        variable = f"{PREFIX}{name.upper()}{_FILE}"
        if not (path := os.environ.get(variable)):
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8"
            problems.append(f"{name}: {safe(path)} can't be read ({why}) (environment variable {variable})")
    return found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, table by table; where they meet, what is above."""
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        both[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def settings_file(config: Path | None = None) -> Path | None:
    """The file that `read_settings(config)` reads; None where there is none, and nothing is said of it."""
    named = _named(config)
    return named or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def _named(config: Path | None) -> Path | None:
    return config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)


def _read_file(config: Path | None, problems: list[str]) -> tuple[Path | None, str, dict[str, Any]]:
    named = _named(config)
    path = named or DEFAULT_FILE
    try:
        text = path.read_text(encoding="utf-8")
        return path, text, tomllib.loads(text)
    except FileNotFoundError:
        if named is not None:
            problems.append(f"{safe(str(path))}: there is no such file")
    except OSError as error:
        problems.append(f"{safe(str(path))}: can't be read ({error.strerror})")
    except UnicodeDecodeError:
        problems.append(f"{safe(str(path))}: is not UTF-8")
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at .*\)$", str(error))  # the rest may quote what stands there
        problems.append(f"{safe(str(path))}: is not TOML {where[0] if where else ''}".rstrip())
    return None, "", {}


@lru_cache(maxsize=1024)
def _with_viral_at(params: ThreadParams, viral_at: ViralAt) -> ThreadParams:
    return dataclasses.replace(params, viral_at=viral_at)


def _state_home() -> Path:
    """The XDG base directory for state; a relative path there is invalid by that specification."""
    named = Path(os.environ.get("XDG_STATE_HOME") or "")
    return named if named.is_absolute() else Path.home() / ".local" / "state"

"""A secret of the settings: a text, or a table that names the file in which it stands.

Law of this file: what stands there is read once, with the settings, and masked wherever settings are shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, SecretStr

__all__ = ["Secret", "clear"]

_MOST_BYTES: Final = 64 * 1024


def _from_file(value: object) -> object:
    """A secret itself, or what stands in the file of `{ file = "/run/secrets/…" }`; space around is cut."""
    if not (isinstance(value, dict) and value.keys() == {"file"}):
        return value
    try:
        with Path(str(value["file"])).open(encoding="utf-8") as file:
            return file.read(_MOST_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ValueError(f"its file can't be read ({why})") from None


#: A text, or the file that holds it.
Secret = Annotated[SecretStr, BeforeValidator(_from_file)]


def clear(secret: SecretStr | None) -> str:
    """What is behind a secret, in clear; "" for none: only the process that needs one must have it."""
    return secret.get_secret_value() if secret is not None else ""

"""What can go wrong in the shell, as one small tree.

    FlashoverError          exit code 1: problems were found
    ├── InputError          1: a file can't be read, or is cut off
    ├── SettingsError       3: the settings are wrong; says all that is wrong with them
    └── BrokerError         4: no broker answers, or it refuses us
        └── TopicsError     4: a topic is missing, or is not what it has to be

Law of this file: every edge (files, settings, kafka-python) has one place that turns foreign errors into
these. Their text is for people: whole sentences, no secret, no stack trace. Anything else is a bug and
ends the process loudly. Exit code 2 is click's: the command was called wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

__all__ = ["BrokerError", "FlashoverError", "InputError", "SettingsError", "TopicsError", "unusable"]


class FlashoverError(Exception):
    """Something that the person at the keyboard can put right; `str()` says what."""

    exit_code: ClassVar[int] = 1


class InputError(FlashoverError):
    """A file can't be read."""


class SettingsError(FlashoverError):
    """One or more settings are wrong; `problems` holds a sentence for each."""

    exit_code = 3

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class BrokerError(FlashoverError):
    """No broker answers at the given addresses, or it does not let us in."""

    exit_code = 4


class TopicsError(BrokerError):
    """A topic is missing or is not what it has to be."""


def unusable(brokers: Iterable[str], error: Exception) -> BrokerError:
    """A Kafka client's error in a sentence. Raise it unchained: the client's may hold its settings."""
    text = str(error)
    why = "nobody answers there" if "Unable to bootstrap" in text else text or type(error).__name__
    return BrokerError(f"no use of the broker at {', '.join(brokers)}: {why}")

"""`flashover check`: would a worker that starts now find everything as it must be?"""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

import click

import agents
import streams
from agents.build import hot_path
from agents.commands.common import as_json, fail_if, on_brokers, say, settings_of
from agents.errors import BrokerError, SettingsError
from agents.settings import Settings, settings_file, unknown_variables
from agents.terminal import safe

__all__ = ["Finding", "check", "owners_of_our_packages"]

DISTRIBUTION: Final = "flashover"
_SHORT_KEY_BYTES: Final = 16


class Finding(NamedTuple):
    """One thing that was looked at. A warning is for a person to weigh; a problem stops a worker."""

    status: Literal["ok", "warning", "problem"]
    what: str
    detail: str


@click.command()
@on_brokers
@as_json
@click.pass_context
def check(context: click.Context, json_: bool) -> None:
    """Check settings, who is on call, broker, topics, installation.

    Exit code 1 if there is a problem.

    \b
    Examples:
      flashover check
      flashover check --json
    """
    findings = [*_installation()]
    try:
        settings = settings_of(context)
    except SettingsError as error:
        findings += [Finding("problem", "settings", text) for text in error.problems]
    else:
        findings += [
            *_settings(settings, settings_file(context.find_root().params.get("config"))),
            *_paging(settings),
            *_cluster(settings),
        ]
    problems = any(one.status == "problem" for one in findings)
    if json_:
        say({"ok": not problems, "findings": [one._asdict() for one in findings]})
    else:
        for one in findings:
            say(f"{one.status:8} {one.what}: {one.detail}")
    fail_if(problems)


def owners_of_our_packages() -> dict[str, list[str]]:
    """The distributions, other than this one, that install a top-level `streams` or `agents` too."""
    owners = packages_distributions()
    return {
        name: sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        for name in ("agents", "streams")
        if set(owners.get(name, ())) - {DISTRIBUTION}
    }


def _installation() -> list[Finding]:
    others = owners_of_our_packages()
    findings = [
        Finding("problem", "installation", f"the package `{name}` is installed by {', '.join(names)} too")
        for name, names in others.items()
    ]
    folders = {Path(module.__file__ or "").resolve().parent.parent for module in (agents, streams)}
    if len(folders) > 1:
        findings.append(
            Finding("problem", "installation", "`streams` and `agents` come from different folders")
        )
    if findings:
        return findings
    owned = "nobody else owns the packages `streams` and `agents`"
    return [Finding("ok", "installation", f"{owned}; the hot path is {hot_path()}")]


def _settings(settings: Settings, file: Path | None) -> list[Finding]:
    of_what = "no file, all is default or variable" if file is None else safe(str(file))
    findings = [Finding("ok", "settings", f"{of_what}; brands: {len(settings.brands)}")]
    if settings.has_development_key:
        text = "author_key is not set: author ids are hashed under a key that everybody knows"
        findings.append(Finding("warning", "settings", text))
    elif len(settings.author_key.get_secret_value().encode()) < _SHORT_KEY_BYTES:
        text = f"author_key is shorter than {_SHORT_KEY_BYTES} bytes: it may be guessed"
        findings.append(Finding("warning", "settings", text))
    findings += [Finding("warning", "settings", text) for text in unknown_variables()]
    return [*findings, *_channels(settings), *_web(settings)]


def _channels(settings: Settings) -> list[Finding]:
    """Can each be used? Nothing is sent: `flashover channels test` does that."""
    if not settings.channels:
        return []
    from agents.channels.registry import channels

    try:
        channels(settings.channels)
    except SettingsError as error:
        return [Finding("problem", "channels", text) for text in error.problems]
    findings = [Finding("ok", "channels", f"{len(settings.channels)} known: {', '.join(settings.channels)}")]
    for name, one in settings.channels.items():
        url = urlsplit(one.url.get_secret_value())
        if url.scheme == "http" and not _is_near(url.hostname or ""):
            text = f"{name} is reached by http: whoever is on the way reads its secrets and pages"
            findings.append(Finding("warning", "channels", text))
    return findings


def _web(settings: Settings) -> list[Finding]:
    """What would leave people before a closed door."""
    web, found = settings.web, []
    if web.public_url and not settings.web_key:
        found.append("public_url is set and web_key is not: pages have no links, and nobody stays signed in")
    if settings.web_key and not web.public_url:
        found.append("web_key is set and public_url is not: pages have no links")
    if web.user_header and not (web.people or web.groups or web.everybody):
        found.append("user_header is set, and nobody it could name has a role")
    if (
        web.public_url
        and web.public_url.startswith("http:")
        and not _is_near(urlsplit(web.public_url).hostname or "")
    ):
        found.append("public_url is http: whoever is on the way can press what a link offers")
    return [Finding("warning", "web", text) for text in found]


def _is_near(host: str) -> bool:
    """This machine, or a name without a dot: a neighbour in one's own network."""
    return host in ("127.0.0.1", "::1") or "." not in host


def _paging(settings: Settings) -> list[Finding]:
    from agents.on_call.check import findings
    from agents.on_call.roster import LiveRoster

    live = LiveRoster(settings)
    asyncio.run(live.refresh())
    return [
        Finding(status, "paging", text) for status, text in findings(settings, live, int(time.time() * 1000))
    ]


def _cluster(settings: Settings) -> list[Finding]:
    from agents.topics import check as check_topics

    try:
        problems = check_topics(settings)
    except BrokerError as error:
        return [Finding("problem", "broker", str(error))]
    answer = Finding("ok", "broker", f"answers at {', '.join(settings.brokers)}")
    wrong = [Finding("problem", "topics", text) for text in problems]
    return [answer, *(wrong or [Finding("ok", "topics", "all are as they have to be")])]

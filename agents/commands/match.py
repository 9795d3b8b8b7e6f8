"""`flashover match`: which brands a text is about, and why."""

from __future__ import annotations

from typing import IO, Final

import click

from agents.commands.common import as_json, complain, fail_if, say, settings_of
from streams.language import detect_language
from streams.matching import Hit, Matcher, Verdict

__all__ = ["match"]

_WORDS: Final = {
    Verdict.COUNTS: "counts",
    Verdict.WITHIN_A_WORD: "does not count: it is part of something longer",
    Verdict.EXCLUDED: "does not count: it lies within an exclusion",
    Verdict.LANGUAGE: "does not count: the text is in another language",
    Verdict.ONLY_A_LINK: "does not count: in a link only domains do",
}


@click.command()
@click.argument("text", nargs=-1)
@click.option("--brand", metavar="SLUG", help="Explain for this brand only.")
@click.option("--lang", default="", metavar="TAG", help="The language of the texts [default: detected].")
@as_json
@click.pass_context
def match(context: click.Context, text: tuple[str, ...], brand: str | None, lang: str, json_: bool) -> None:
    """Which brands a text is about, and why others are not.

    TEXT is one text; without it every line of standard input is one. Terms are those of [brands.SLUG] in the
    settings. Nothing is kept. Exit code 1 if no text was about a brand.

    \b
    Examples:
      flashover match "some target practice" --brand target
      flashover match < posts.txt
    """
    settings = settings_of(context)
    if not settings.brands:
        raise click.UsageError("the settings have no [brands.SLUG]")
    if brand is not None and brand not in settings.brands:
        raise click.BadParameter("no such brand in the settings", param_hint="--brand")
    matcher = settings.matcher()
    lines: IO[str] | tuple[str, ...] = (
        (" ".join(text),) if text else click.get_text_stream("stdin", errors="replace")
    )
    found = False
    for line in lines:
        found |= _explain(matcher, line.rstrip("\n"), brand, lang, json_)
    fail_if(not found)


def _explain(matcher: Matcher, text: str, brand: str | None, lang: str, json_: bool) -> bool:
    hits = matcher.find(text, lang=lang, detect=detect_language)
    hits = [one for one in hits if brand in (None, one.brand)]
    about = sorted({one.brand for one in hits if one.verdict is Verdict.COUNTS})
    if json_:
        shown = [
            {"brand": one.brand, "kind": one.kind, "term": one.term, "verdict": one.verdict} for one in hits
        ]
        say({"text": text, "brands": about, "hits": shown})
        return bool(about)
    say(f"{', '.join(about) or 'no brand'}: {text}")
    spoken = lang or next((detect_language(text) for one in hits if one.verdict is Verdict.LANGUAGE), None)
    for one in hits:
        say(_line(one, spoken or ""))
    if not hits:
        complain("  no term of a brand stands in it")
    return bool(about)


def _line(hit: Hit, spoken: str) -> str:
    language = f" ({spoken})" if hit.verdict is Verdict.LANGUAGE else ""
    return f"  {hit.brand}  {hit.kind} {hit.term!r}  {_WORDS[hit.verdict]}{language}"

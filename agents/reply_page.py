"""The page of `flashover replies report`: one HTML file that opens anywhere, without network or script.

Law of this file: the same report gives the same bytes, and every text in it is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from agents.tuning.report import page_of
from streams.aftermath import BrandReplies, TemplateReport
from streams.effect import Interval

__all__ = ["html_of"]

_WIDTH, _HEIGHT = 220, 26  # of an interval's picture
_MOST_LOG10 = 1.0  # the axis ends at a tenth and at ten times the forecast

_WORDS = (
    "<dl><dt>mentions</dt><dd>Mentions after the reply over those forecast without knowing of it, in the "
    "rest of the thread's first day: 1 is as forecast, below 1 fewer came. The bar is the 90 % interval of "
    "the mean; one that crosses the line may be no difference.</dd>"
    "<dt>negativity</dt><dd>Mean negativity of up to 50 texts after the reply less that of up to 50 before "
    "it, in points of 100.</dd>"
    "<dt>measured</dt><dd>Replies into threads with at least ten mentions, whose first day is over and was "
    "not nearly over at the reply. Below five there is no figure.</dd>"
    "<dt>association</dt><dd>Desks choose which threads they answer, and threads peak and cool by themselves."
    " Compare templates with each other before comparing one with 1; change one thing and look again. "
    "Nothing here is counted per person.</dd></dl>"
)


def html_of(told: Sequence[BrandReplies], source: str, most: int) -> str:
    """The page; of each brand the `most` used templates."""
    body = [
        "<header><h1>Replies, and what followed</h1>"
        f"<p>{escape(source)}: {sum(one.replies for one in told)} replies of {len(told)} "
        f"{'brand' if len(told) == 1 else 'brands'}. Associations, not causes.</p></header>"
    ]
    if not any(one.replies for one in told):
        body.append("<section><p>No reply of a brand was found.</p></section>")
    for one in told:
        body.append(f"<section><h2>{escape(one.brand)}</h2>{_kinds(one)}{_templates(one, most)}</section>")
    body.append(f"<section><h2>How to read this</h2>{_WORDS}</section>")
    return page_of("flashover: replies, and what followed", "".join(body))


def _kinds(one: BrandReplies) -> str:
    rows = "".join(
        f"<dt>{escape(kind)}</dt><dd>{count} replies. {escape(followed.sentence)}</dd>"
        for kind, count, followed in one.by_kind
    )
    return f"<dl>{rows}</dl>"


def _templates(one: BrandReplies, most: int) -> str:
    rows = "".join(_row(each) for each in one.templates[:most])
    more = len(one.templates) - most
    note = f"<p>{more} more are used less often.</p>" if more > 0 else ""
    return (
        "<br><div class=wide><table class=replies><thead><tr><th>template</th><th>uses</th><th>kind</th>"
        f"<th>measured</th><th>mentions over forecast</th><th>negativity</th></tr></thead><tbody>{rows}"
        f"</tbody></table></div>{note}"
    )


def _row(one: TemplateReport) -> str:
    growth, change = one.followed.growth_ratio, one.followed.negative_change
    rules = f"<small>{escape(', '.join(one.rules))}</small>" if one.rules else ""
    shift = (
        "–" if change is None else f"{100 * change.mean:+.0f}<br><small>{_reach(change, 100, '+.0f')}</small>"
    )
    return (
        f"<tr><td>{escape(one.text)}{rules}</td><td>{one.uses}</td><td>{escape(one.kind)}</td>"
        f"<td>{one.followed.replies}</td><td>{_picture(growth)}</td><td>{shift}</td></tr>"
    )


def _reach(one: Interval, factor: float, form: str) -> str:
    return f"{one.low * factor:{form}} to {one.high * factor:{form}}"


def _picture(one: Interval | None) -> str:
    """The interval on a logarithmic axis whose middle is the forecast."""
    if one is None:
        return "–"
    from math import log10

    def x(ratio: float) -> float:
        place = max(-_MOST_LOG10, min(_MOST_LOG10, log10(max(ratio, 1e-6)))) / _MOST_LOG10
        return round((1 + place) * _WIDTH / 2, 1)

    middle = _WIDTH / 2
    said = f"{one.mean:.2f} times the forecast, 90 % interval {_reach(one, 1, '.2f')}"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role=img aria-label="{said}"><title>{said}</title>'
        f'<path class=rule d="M{middle} 0V{_HEIGHT}"/>'
        f'<path class=line d="M{x(one.low)} {_HEIGHT / 2}H{x(one.high)}"/>'
        f'<circle class=dot cx="{x(one.mean)}" cy="{_HEIGHT / 2}" r="4"/></svg>'
        f"{one.mean:.2f} <small>{_reach(one, 1, '.2f')}</small>"
    )

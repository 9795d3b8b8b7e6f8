"""What the pages say, in English and German.

Law of this file: every word that a reader sees stands here, in each language, under one name; what came from
outside is put in by the page, which escapes it. Figures and times are written as the language writes them.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["LANGUAGES", "Words", "chosen"]

LANGUAGES: Final = ("en", "de")

_ROWS: Final[dict[str, tuple[str, str]]] = {
    # the frame
    "title": ("Incidents", "Fälle"),
    "language": ("Deutsch", "English"),
    "sign-in": ("Sign in", "Anmelden"),
    "sign-out": ("Sign out", "Abmelden"),
    "skip": ("Skip to the content", "Zum Inhalt"),
    "token": ("Token", "Token"),
    "sign-in-hint": (
        "People sign in through your organisation's proxy. With a token of your own you can sign in here.",
        "Menschen melden sich über den Proxy Ihrer Organisation an. Mit einem eigenen Token geht es hier.",
    ),
    "wrong-token": ("Nobody has this token.", "Dieses Token hat niemand."),
    "too-often": (
        "Too many failed sign-ins from your address. Try again in a minute.",
        "Zu viele fehlgeschlagene Anmeldungen von Ihrer Adresse. In einer Minute geht es wieder.",
    ),
    "updated": ("as of", "Stand"),
    "refreshes": ("refreshes by itself", "erneuert sich von selbst"),
    "stop-refresh": ("stop", "anhalten"),
    "start-refresh": ("refresh by itself", "von selbst erneuern"),
    # doubt
    "not-read-yet": (
        "flashover is still reading its topics: this page may miss incidents.",
        "flashover liest seine Topics noch: auf dieser Seite können Fälle fehlen.",
    ),
    "out-of-touch": (
        "flashover has lost touch with its broker: this page may be out of date.",
        "flashover hat keine Verbindung zum Broker: diese Seite kann veraltet sein.",
    ),
    "workers-stand-still": (
        "Mentions wait and no worker counts them: figures may be out of date.",
        "Beiträge warten, und kein Worker zählt sie: Zahlen können veraltet sein.",
    ),
    # the board
    "open-incidents": ("Under way", "Laufend"),
    "nothing-open": ("Nothing is under way. Quiet is good.", "Nichts läuft. Ruhe ist gut."),
    "all-brands": ("All brands", "Alle Marken"),
    "lately-over": ("Over lately", "Zuletzt beendet"),
    "mutes": ("Muted", "Stummgeschaltet"),
    "no-mutes": ("Nothing is muted.", "Nichts ist stummgeschaltet."),
    "whole-brand": ("the whole brand", "die ganze Marke"),
    "holds": ("Held threads", "Angehaltene Threads"),
    "no-holds": ("No thread is held.", "Kein Thread ist angehalten."),
    "on-call": ("On call now", "Jetzt in Bereitschaft"),
    "warm": ("Threads above calm", "Threads über ruhig"),
    "went-out": ("What went out", "Was hinausging"),
    "nothing-went-out": ("No page has gone out yet.", "Noch ist keine Meldung hinausgegangen."),
    "until": ("until", "bis"),
    "by": ("by", "von"),
    "via": ("by", "über"),
    "nobody-has-it": ("Nobody has it", "Niemand hat ihn"),
    "has-it": ("has it", "hat ihn"),
    "expected": ("expected in 24 h", "in 24 h erwartet"),
    "now": ("so far", "bisher"),
    "muted": ("muted", "stumm"),
    "held": ("replies held", "Antworten angehalten"),
    # states
    "open": ("open", "offen"),
    "paged": ("paged", "gemeldet"),
    "acknowledged": ("taken", "übernommen"),
    "resolved": ("resolved", "gelöst"),
    "merged": ("merged", "zusammengelegt"),
    "handled": ("handled", "erledigt"),
    "false-alarm": ("false alarm", "Fehlalarm"),
    "missed-too-late": ("too late", "zu spät"),
    # levels, reasons
    "watch": ("watch", "beobachten"),
    "warn": ("warn", "warnen"),
    "page": ("page", "Meldung"),
    "viral-forecast": ("forecast: will go viral", "Prognose: wird viral"),
    "already-viral": ("has gone viral", "ist viral"),
    "canned-reply": ("a text block was posted into it", "ein Textbaustein wurde hineingeschrieben"),
    "canned-reply-due": ("a text block is due", "ein Textbaustein steht bevor"),
    "surge": ("talked about far more than usual", "weit mehr im Gespräch als üblich"),
    "surge-with-anger": ("a surge, and an angry one", "ein Ausschlag, und ein wütender"),
    "surge-with-viral-thread": (
        "a surge, and a thread that burns",
        "ein Ausschlag, und ein Thread, der brennt",
    ),
    # an incident
    "happened": ("What happened", "Was geschehen ist"),
    "sentence": (
        "{mentions} mentions by {authors} people; some {expected} expected within a day "
        "({chance} chance of {viral_at}).",
        "{mentions} Beiträge von {authors} Menschen; rund {expected} binnen eines Tages erwartet "
        "({chance} Chance auf {viral_at}).",
    ),
    "sentence-brand": (
        "{mentions} mentions; some {expected} expected within a day.",
        "{mentions} Beiträge; rund {expected} binnen eines Tages erwartet.",
    ),
    "original": ("the post itself", "der Beitrag selbst"),
    "mentions": ("Mentions", "Beiträge"),
    "people": ("People", "Menschen"),
    "reach": ("Reach, at most", "Reichweite, höchstens"),
    "negative": ("Negative", "Negativ"),
    "in-24h": ("Expected in 24 h", "In 24 h erwartet"),
    "between": ("between {low} and {high}", "zwischen {low} und {high}"),
    "chance": ("Chance of {viral_at}", "Chance auf {viral_at}"),
    "reply": ("The brand has answered", "Die Marke hat geantwortet"),
    "reply-none": ("not yet", "noch nicht"),
    "reply-canned": ("with a text block", "mit einem Textbaustein"),
    "reply-own-words": ("in its own words", "in eigenen Worten"),
    "reply-due": ("Text block due", "Textbaustein erwartet"),
    "canned-share": ("{share} of its answers are", "{share} ihrer Antworten sind es"),
    "opened": ("opened", "eröffnet"),
    "course": ("The thread over time", "Der Thread im Verlauf"),
    "course-title": (
        "Mentions since the thread began: {mentions} so far",
        "Beiträge seit Beginn des Threads: bisher {mentions}",
    ),
    "no-course": (
        "The workers have no state of this thread any more: its last mention is over 36 hours old.",
        "Die Worker haben von diesem Thread keinen Stand mehr: der letzte Beitrag ist über 36 Stunden alt.",
    ),
    "no-thread": (
        "This is about the brand as a whole; there is no single thread.",
        "Es geht um die Marke als Ganzes; einen einzelnen Thread gibt es nicht.",
    ),
    "course-mentions": ("mentions so far", "Beiträge bisher"),
    "course-forecast": ("forecast at the alert, 80 %", "Prognose beim Alarm, 80 %"),
    "course-viral": ("counts as a storm", "gilt als Sturm"),
    "course-reply": ("the brand answers", "die Marke antwortet"),
    "course-page": ("somebody was paged", "jemandem wurde gemeldet"),
    "course-taken": ("taken, resolved", "übernommen, gelöst"),
    "evidence": ("Why", "Warum"),
    "signal": ("Signal", "Signal"),
    "value": ("Value", "Wert"),
    "usual": ("Usual", "Üblich"),
    "weight": ("Weight", "Gewicht"),
    "no-evidence": ("The alert is no longer on its topic.", "Der Alarm ist nicht mehr auf seinem Topic."),
    "voices": ("Typical voices", "Typische Stimmen"),
    "no-voices": ("No text was kept.", "Kein Text wurde aufbewahrt."),
    "who-was-paged": ("Who was paged", "Wem gemeldet wurde"),
    "nobody-was-paged": ("Nobody was paged.", "Niemandem wurde gemeldet."),
    "history": ("History", "Verlauf"),
    "alerts": ("Alerts", "Alarme"),
    "merged-threads": ("Threads that go on in it", "Threads, die darin weitergehen"),
    "merged-into": ("goes on as", "geht weiter als"),
    "person": ("Person", "Person"),
    "channel": ("Channel", "Kanal"),
    "outcome": ("Outcome", "Ergebnis"),
    "when": ("When", "Wann"),
    "what": ("What", "Was"),
    "why": ("Why", "Warum"),
    "waiting": ("waiting", "wartet"),
    "sent": ("sent", "gesendet"),
    "failed": ("failed", "fehlgeschlagen"),
    "held-back": ("held back for the digest", "für die Sammelmeldung zurückgehalten"),
    "ok": ("taken by the channel", "vom Kanal angenommen"),
    "try-again": ("will be tried again", "wird wiederholt"),
    "give-up": ("refused", "abgelehnt"),
    "digest": ("digest", "Sammelmeldung"),
    # what can be done
    "actions": ("What you can do", "Was Sie tun können"),
    "take": ("Take it", "Übernehmen"),
    "take-hint": (
        "It is yours, and text blocks are held on its thread.",
        "Er gehört Ihnen, und Textbausteine werden in seinem Thread angehalten.",
    ),
    "take-hold": ("Hold text blocks", "Textbausteine anhalten"),
    "acknowledge": ("Acknowledge", "Bestätigen"),
    "acknowledge-hint": (
        "I have seen it; nobody else is paged for now.",
        "Gesehen; vorerst wird niemandem sonst gemeldet.",
    ),
    "hand-over": ("Hand over", "Übergeben"),
    "to": ("To", "An"),
    "note": ("Note", "Notiz"),
    "reason": ("Reason", "Grund"),
    "hold": ("Hold replies", "Antworten anhalten"),
    "release": ("Release replies", "Antworten freigeben"),
    "resolve": ("Resolve", "Lösen"),
    "how-it-ended": ("How it ended", "Wie es ausging"),
    "merge": ("Merge into another", "Mit anderem zusammenlegen"),
    "into": ("Into", "In"),
    "mute": ("Mute this thread", "Diesen Thread stummschalten"),
    "mute-brand": ("Mute the brand", "Die Marke stummschalten"),
    "unmute": ("Unmute", "Aufheben"),
    "for-how-long": ("For how long", "Wie lange"),
    "usual-time": ("the usual time", "die übliche Zeit"),
    "read-only": ("You may look, and not act.", "Sie dürfen sehen, nicht handeln."),
    "more": ("More", "Mehr"),
    "is-over": (
        "It is over. It opens again by itself if it grows.",
        "Er ist beendet. Wächst er wieder, öffnet er sich von selbst.",
    ),
    # answers
    "done": ("Done.", "Erledigt."),
    "asked": (
        "Asked, and no worker has answered yet. It is not lost: look again in a moment.",
        "Aufgetragen, und noch hat kein Worker geantwortet. Es geht nicht verloren: gleich wieder nachsehen.",
    ),
    "refused": ("Refused", "Abgelehnt"),
    "unknown-incident": ("There is no such incident.", "Diesen Fall gibt es nicht."),
    "counted-before": ("This was done before.", "Das ist schon geschehen."),
    "not-now": (
        "That can't be done in the state it is in now.",
        "In seinem jetzigen Zustand geht das nicht.",
    ),
    "nothing-held": ("Nothing is held.", "Nichts ist angehalten."),
    "bad-target": ("It can't be merged into that one.", "Mit diesem kann er nicht zusammengelegt werden."),
    "no-such-mute": ("That is not muted.", "Das ist nicht stummgeschaltet."),
    "past": ("That moment is over.", "Dieser Zeitpunkt ist vorbei."),
    "not-signed-in": ("You are not signed in.", "Sie sind nicht angemeldet."),
    "wrong-role": ("Your role does not allow that.", "Ihre Rolle erlaubt das nicht."),
    "cross-site": (
        "The form did not come from this site, or is too old. Load the page again.",
        "Das Formular kam nicht von dieser Seite oder ist zu alt. Bitte die Seite neu laden.",
    ),
    "forged": ("This link is not valid.", "Dieser Link ist ungültig."),
    "expired": (
        "This link has expired. Sign in to answer, or wait for the next page.",
        "Dieser Link ist abgelaufen. Melden Sie sich an, oder warten Sie auf die nächste Meldung.",
    ),
    "bad-request": ("Something in it is wrong.", "Etwas daran ist falsch."),
    "no-broker": (
        "The broker does not take it. Nothing was done: try again.",
        "Der Broker nimmt es nicht an. Nichts ist geschehen: bitte wiederholen.",
    ),
    "not-found": ("There is no such page.", "Diese Seite gibt es nicht."),
    "places": ("Where it burns", "Wo es brennt"),
    "platform": ("Platform", "Plattform"),
    "thread": ("Thread", "Thread"),
    "root-deleted": (
        "The post that it began with was deleted by its author: its text is gone from here, too.",
        "Der Beitrag, mit dem es anfing, wurde von seinem Autor gelöscht: Sein Text ist auch hier gelöscht.",
    ),
    "back": ("Back to the incidents", "Zurück zu den Fällen"),
    # a link
    "link-for": ("For {person}", "Für {person}"),
    "link-once": (
        "One click, once. Nothing happens before.",
        "Ein Klick, einmal. Vorher geschieht nichts.",
    ),
    "link-done": (
        "You can close this page. To hold, release or resolve, sign in:",
        "Sie können diese Seite schließen. Zum Anhalten, Freigeben oder Lösen melden Sie sich an:",
    ),
    "show-incident": ("Open the incident", "Fall öffnen"),
    # history, as the core writes it
    "grew": ("grew", "gewachsen"),
    "reopened": ("opened again", "wieder geöffnet"),
    "paging": ("paging", "gemeldet wird an"),
    "page sent": ("page sent", "Meldung gesendet"),
    "page failed": ("page failed", "Meldung fehlgeschlagen"),
    "digest sent": ("digest sent", "Sammelmeldung gesendet"),
    "digest failed": ("digest failed", "Sammelmeldung fehlgeschlagen"),
    "digest dropped": ("digest dropped", "Sammelmeldung entfällt"),
    "acknowledged sent": ("told that it is taken", "Übernahme mitgeteilt"),
    "resolved sent": ("told that it is over", "Ende mitgeteilt"),
    "held back": ("held back: paged often enough", "zurückgehalten: oft genug gemeldet"),
    "hold expired": ("hold expired", "Anhalten abgelaufen"),
    "not resolved in time": ("not resolved in time", "nicht rechtzeitig gelöst"),
    "nobody to page": ("nobody to page", "niemand, dem zu melden wäre"),
    "nobody can be paged": ("nobody can be paged", "niemandem kann gemeldet werden"),
    "no ladder: nobody else is paged": (
        "there is no ladder: nobody else is paged",
        "es gibt keine Leiter: niemandem sonst wird gemeldet",
    ),
    "the ladder is over, nobody has answered": (
        "the ladder is over, nobody has answered",
        "die Leiter ist zu Ende, niemand hat geantwortet",
    ),
    "post-deleted": ("a post was deleted by its author", "ein Beitrag wurde von seinem Autor gelöscht"),
    "post-edited": ("a post was edited by its author", "ein Beitrag wurde von seinem Autor geändert"),
    "unmuted": ("unmuted", "Stummschaltung aufgehoben"),
    "joined": ("another goes on in it", "ein anderer geht darin weiter"),
    "did-acknowledge": ("acknowledged", "bestätigt"),
    "did-take": ("taken", "übernommen"),
    "did-hand-over": ("handed over", "übergeben"),
    "did-resolve": ("resolved", "gelöst"),
    "did-hold": ("replies held", "Antworten angehalten"),
    "did-release": ("replies released", "Antworten freigegeben"),
    "did-merge": ("merged", "zusammengelegt"),
    # signals of the evidence
    "day_left": ("left of its first day", "Rest des ersten Tages"),
    "age_beyond_2h": ("older than two hours", "älter als zwei Stunden"),
    "new_people_2h": ("new people, last 2 h", "neue Menschen, letzte 2 h"),
    "mentions_30min": ("mentions, last 30 min", "Beiträge, letzte 30 min"),
    "brand_tempo": ("the brand's tempo", "Tempo der Marke"),
    "brand_growth": ("how the brand's threads grow", "Wachstum der Threads der Marke"),
    "negative_share": ("negative texts", "negative Texte"),
    "viral_threads": ("threads that burn", "Threads, die brennen"),
    "template": ("nearly so before", "fast so schon gesagt"),
    "scale": ("mentions, {minutes} min, fading", "Beiträge, {minutes} Min., verblassend"),
    "people, fading": ("people, fading", "Menschen, verblassend"),
    "mentions, fading": ("mentions, fading", "Beiträge, verblassend"),
    "times usual": ("× usual", "× üblich"),
    "times": ("×", "×"),
    "share": ("share", "Anteil"),
}

_SCALE: Final = re.compile(r"mentions_([0-9]+)min_fading")
_UNITS: Final = ((86_400, "d", "Tg."), (3600, "h", "Std."), (60, "min", "Min."))
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Words:
    """One language, and the time zone of the reader's desk."""

    def __init__(self, lang: str, zone: ZoneInfo) -> None:
        self.lang = lang
        self.other = LANGUAGES[1 - LANGUAGES.index(lang)]
        self._zone = zone
        self._place = LANGUAGES.index(lang)

    def __call__(self, name: str, **values: object) -> str:
        """The words under a name; of a name that is not known, itself."""
        found = _ROWS.get(name)
        if found is None:
            return name
        text = found[self._place]
        return text.format(**values) if values else text

    def did(self, what: str) -> str:
        """A line of history as it reads when it is over."""
        name = f"did-{what}"
        return self(name) if name in _ROWS else self(what)

    def signal(self, name: str) -> str:
        """What went into a decision: a signal of the forecast, a scale of a surge, a rule for text blocks."""
        if scale := _SCALE.fullmatch(name):
            return self("scale", minutes=scale[1])
        return self("template") if name.startswith("template ") else self(name)

    def number(self, value: float) -> str:
        """With marks at the thousands; of a small one that is not whole, one or two digits."""
        digits = 0 if abs(value) >= 10 or float(value).is_integer() else 1 if abs(value) >= 1 else 2
        text = f"{value:,.{digits}f}"
        return text.translate(str.maketrans(",.", ".,")) if self.lang == "de" else text

    def percent(self, share: float) -> str:
        """0.5 as 50 %."""
        return f"{share:.0%}" if self.lang == "en" else f"{share * 100:.0f} %"

    def clock(self, at_ms: int) -> str:
        """Day and time on the desk's clock."""
        at = self.local(at_ms)
        if self.lang == "de":
            return f"{at:%d.%m.} {at:%H:%M}"
        return f"{at.day} {_MONTHS[at.month - 1]} {at:%H:%M}"

    def local(self, at_ms: int) -> datetime:
        """The moment in the desk's zone; before or beyond what a calendar holds, its first moment."""
        try:
            return datetime.fromtimestamp(at_ms / 1000, self._zone)
        except (OverflowError, ValueError, OSError):
            return datetime.fromtimestamp(0, self._zone)

    def machine(self, at_ms: int) -> str:
        """The moment as a machine reads it: RFC 3339."""
        return self.local(at_ms).isoformat(timespec="seconds")

    def ago(self, at_ms: int, now_ms: int) -> str:
        """How long ago, or how long until, in the largest unit that says it."""
        apart = timedelta(milliseconds=abs(now_ms - at_ms)).total_seconds()
        if apart < 60:
            return "now" if self.lang == "en" else "eben"
        unit_s, en, de = next(row for row in _UNITS if apart >= row[0])
        count = int(apart // unit_s)
        if self.lang == "de":
            return f"vor {count} {de}" if now_ms >= at_ms else f"in {count} {de}"
        return f"{count} {en} ago" if now_ms >= at_ms else f"in {count} {en}"


def chosen(asked: str | None, accepted: str) -> str:
    """The language of a page: as `asked` for, else the best of Accept-Language (RFC 9110, 12.5.4)."""
    if asked in LANGUAGES:
        return asked
    best, weight = LANGUAGES[0], 0.0
    for part in accepted[:500].split(","):
        tag, _, rest = part.strip().partition(";")
        try:
            quality = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().partition("-")[0]
        if primary in LANGUAGES and weight < quality <= 1:
            best, weight = primary, quality
    return best

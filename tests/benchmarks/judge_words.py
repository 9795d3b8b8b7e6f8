"""Judge the words: canned replies, sentiment, reply clock, masking, on recordings outside the project.

    FLASHOVER_DATA=../shared/data python tests/benchmarks/judge_words.py [--train]

Each figure is printed beside its target; the exit status is 1 if one is missed. `--train` adds the n-gram
model, trained on one half of the labelled texts and judged on the other (some minutes).
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

from streams.brand import BrandParams, anger
from streams.canned import HARD, ReplyBook, judge_reply, learn, recurrence, shipped_rules
from streams.judge import follow, has_paged
from streams.language import detect_language
from streams.mask import MaskRules, mask
from streams.measures import auc
from streams.mention import Decoder
from streams.mention import Mention as Recorded
from streams.ngram_model import EnsembleScorer, train
from streams.params import ThreadParams
from streams.reply_clock import ReplyClock, expect, learn_reply
from streams.sentiment import LexiconScorer, NegativeShare, Sentiment, SentimentScorer, against_usual, pooled
from streams.thread import Thread

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("FLASHOVER_DATA", HERE.parents[2] / "shared" / "data"))

# the labels of replies-amazonhelp.csv that mean a hand-off or a refusal
HAND_OFF_LABELS = (
    "Request to not send personal details",
    "Refer to specialist team",
    "Request to call by phone",
    "Request to reach out by chat",
)

FAR_MS = 4_102_444_800_000  # 2100-01-01: nothing recorded lies in the future
Mention = dict[str, Any]
missed: list[str] = []


def told(name: str, figure: float, target: float | None = None, *, at_most: bool = False) -> None:
    """Print a figure, and beside it its target and whether it is met."""
    line = f"  {name:<58} {figure:>10.3f}"
    if target is not None:
        met = figure <= target if at_most else figure >= target
        line += f"   target {'<=' if at_most else '>='} {target:g} {'met' if met else 'MISSED'}"
        if not met:
            missed.append(name)
    print(line)


def fires(text: str) -> bool:
    """Whether a rule that makes a reply canned holds; the language is detected, as for a mention without
    one.
    """
    return any(h.kind in HARD for book in shipped_rules(detect_language(text)) for h in book.hits(text))


def precision_recall(
    name: str, pairs: Iterable[tuple[bool, bool]], targets: tuple[float, float] | None
) -> None:
    """Precision and recall of (meant, fired) pairs."""
    counts = Counter(pairs)
    hit, false, lost = counts[True, True], counts[False, True], counts[True, False]
    told(f"{name}: precision ({hit} of {hit + false})", hit / (hit + false), targets and targets[0])
    told(f"{name}: recall ({hit} of {hit + lost})", hit / (hit + lost), targets and targets[1])


def judge_canned(mentions: Sequence[Mention]) -> None:
    """Phrase rules against labels, on customers' own posts, and both witnesses in the order of time."""
    print("canned replies")
    with (DATA / "replies-amazonhelp.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    meant = [any(row[label] == "1" for label in HAND_OFF_LABELS) for row in rows]
    fired = [fires(row["text"]) for row in rows]
    precision_recall("replies-amazonhelp.csv", zip(meant, fired, strict=True), None)
    with_url = (
        (m or (f and row["Provide URL"] == "1"), f) for m, f, row in zip(meant, fired, rows, strict=True)
    )
    precision_recall("  a hand-off to an URL counted as right", with_url, None)

    by_id = {m["id"]: m for m in mentions}
    with (HERE / "replies-heldout.csv").open(encoding="utf-8") as file:
        labels = [row for row in csv.DictReader(file) if row["label"] != "unclear"]
    pairs = [(row["label"] == "hand-off", fires(by_id[row["id"]]["text"])) for row in labels]
    precision_recall(f"{len(pairs)} replies of unseen brands", pairs, (0.93, 0.78))

    posts = [m["text"] for m in mentions if not m.get("from_brand")]
    told(f"share of {len(posts)} customers' posts that fire", share(map(fires, posts)), 0.015, at_most=True)
    for lang in ("en", "de"):
        tweets = [text for _, text in labelled(lang)]
        told(
            f"share of {len(tweets)} public tweets ({lang}) that fire",
            share(map(fires, tweets)),
            0.015,
            at_most=True,
        )

    books: dict[str, ReplyBook] = {}
    kinds: Counter[str] = Counter()
    replies = sorted((m for m in mentions if m.get("from_brand")), key=lambda m: str(m["created_at"]))
    spent: list[float] = []
    for place, reply in enumerate(replies):
        book = books.get(reply["brand"], ReplyBook())
        begun = time.perf_counter()
        verdict = judge_reply(
            reply["text"],
            shipped_rules(detect_language(reply["text"])),
            recurrence(book.templates, reply["text"], place),
        )
        spent.append(time.perf_counter() - begun)
        kinds[verdict.kind] += 1
        books[reply["brand"]] = learn(book, reply["text"], place)
    print(f"  verdicts on {len(replies)} brand replies: {dict(kinds.most_common())}")
    told("median ms a verdict", 1000 * sorted(spent)[len(spent) // 2], 20, at_most=True)


def judge_sentiment(scorers: Callable[[str], SentimentScorer], name: str, *, half: int | None = None) -> None:
    """AUC, storm windows and speed by language; `half` leaves the texts a model was trained on out."""
    for lang, auc_target, storm_target in (("en", 0.75, 0.90), ("de", 0.68, 0.60)):
        texts = [pair for place, pair in enumerate(labelled(lang)) if half is None or place % 2 == half]
        scorer = scorers(lang)
        scorer.score("warm up, aufwärmen", lang)
        begun = time.perf_counter()
        scored = [scorer.score(text, lang) for _, text in texts]
        seconds = time.perf_counter() - begun
        print(f"sentiment {lang}, {name}: {len(texts)} texts, {len(texts) / seconds:,.0f} texts/s")
        values = [s.negativity or 0.0 for s in scored]
        told("AUC of the negative class", auc(values, [n for n, _ in texts]), auc_target)
        told("storm windows above the 99th percentile of calm", storms(scored, texts), storm_target)
        in_storm, in_calm = angry(scored, texts)
        told("  called angry by a brand's counts", in_storm)
        told("  calm ones called so", in_calm)
        if half is None:
            found = Counter(detect_language(text) for _, text in texts)
            told(f"detected as {lang}", found[lang] / len(texts))
            told("detected as nothing (scored as unknown)", found[None] / len(texts))


def judge_clock(mentions: Sequence[Mention]) -> None:
    """How far the first brand reply was from where the clock, knowing only earlier ones, expected it."""
    threads: dict[str, list[tuple[datetime, Mention]]] = {}
    for m in mentions:
        at = datetime.fromisoformat(m["created_at"])
        threads.setdefault(m["thread_id"], []).append((at, m))
    firsts = []
    for said in threads.values():
        said.sort(key=lambda each: each[0])
        answer = next((each for each in said if each[1].get("from_brand")), None)
        if answer and not said[0][1].get("from_brand"):
            firsts.append((answer[0], said[0][0], answer[1]))
    clocks: dict[str, ReplyClock] = {}
    seen_s: list[float] = []
    off, off_one, squared, canned_ones = [], [], [], []
    for replied_at, asked_at, m in sorted(firsts, key=lambda each: each[0]):
        clock, canned = clocks.get(m["brand"], ReplyClock()), fires(m["text"])
        due = expect(clock, asked_at=asked_at, now=asked_at)
        delay_s = (replied_at - asked_at).total_seconds()
        if due.delay_s and due.canned_share is not None and clock.all.replies > 5:
            off.append(abs(log((delay_s + 60) / (due.delay_s + 60))))
            off_one.append(abs(log((delay_s + 60) / (median(seen_s) + 60))))
            squared.append((canned - due.canned_share) ** 2)
            canned_ones.append(canned)
        seen_s.append(delay_s)
        clocks[m["brand"]] = learn_reply(clock, asked_at=asked_at, replied_at=replied_at, canned=canned)
    base = share(canned_ones)
    print(f"reply clock: {len(off)} first replies of brands with more than five before")
    told("median factor between expected and true delay", exp(median(off)))
    told("  one median delay for all brands instead", exp(median(off_one)))
    told("Brier score of canned_share", sum(squared) / len(squared))
    told("  one share for all brands instead", base * (1 - base))


def judge_due() -> None:
    """What paging before a text block is worth and costs, if every thread were answered from one so late.

    The recorded threads have no replies; that a thread is the brand's to answer is supposed, not recorded.
    """
    with (DATA / "threads-truth.csv").open(encoding="utf-8") as file:
        viral = {row["thread_id"] for row in csv.DictReader(file) if row["viral"] in ("1", "True", "true")}
    decoder = Decoder()
    with gzip.open(DATA / "threads.jsonl.gz") as file:
        decoded = [decoder.decode(line, FAR_MS) for line in file]
    mentions = [one for one in decoded if isinstance(one, Recorded)]
    print(f"a page before the text block: {len(viral)} storms, default thresholds, nothing usual known")
    for minutes in (0, 30, 60, 120, 240):
        threads: dict[str, Thread] = {}
        paged: dict[str, tuple[str, int]] = {}
        for one in mentions:
            known = threads.get(one.thread_id)
            if known is not None and minutes and not known.reply_due_ms:
                known.reply_due_ms, known.canned_share = known.started_ms + minutes * 60_000, 1.0
            followed = follow(known, one, ThreadParams())
            if followed is None:
                continue
            threads[one.thread_id] = followed.thread
            if has_paged(followed.alert) and followed.alert is not None:
                paged.setdefault(one.thread_id, (followed.alert.reason, followed.thread.mentions_24h))
        hits = paged.keys() & viral
        early = [name for name, (reason, _) in paged.items() if reason == "canned-reply-due"]
        left = sum(1 - paged[name][1] / threads[name].mentions_24h for name in hits) / len(viral)
        due = f"due after {minutes} min" if minutes else "no reply clock"
        print(
            f"  {due:20} precision {len(hits) / len(paged):.3f}  recall {len(hits) / len(viral):.3f}  "
            f"still to come {left:.3f}  paged for it {len(early)}, of them storms {len(viral & {*early})}"
        )


def judge_mask(mentions: Sequence[Mention]) -> None:
    """What masking finds in real posts, and how fast; the tests prove what may not survive."""
    rules = MaskRules(mask_handles=False)
    begun = time.perf_counter()
    found: Counter[str] = Counter()
    for mention in mentions:
        found.update(mask(mention["text"], rules).found)
    seconds = time.perf_counter() - begun
    print(
        f"masking: {len(mentions) / seconds:,.0f} texts/s; "
        f"in {len(mentions)} posts {dict(found.most_common())}"
    )


def labelled(lang: str) -> list[tuple[bool, str]]:
    """(is negative, text) of a sentiment file."""
    with (DATA / f"sentiment-{lang}.tsv").open(encoding="utf-8") as file:
        rows = (line.rstrip("\n").split("\t", 1) for line in file)
        return [(label == "negative", text) for label, text in rows if label != "label"]


def share(held: Iterable[bool]) -> float:
    """Share of true ones."""
    each = list(held)
    return sum(each) / len(each)


def windows_of(
    scored: Sequence[Sentiment], texts: Sequence[tuple[bool, str]]
) -> Callable[[int], NegativeShare]:
    """Draws windows of 100 texts with so many negative ones, the same ones each time."""
    dice = random.Random(4)
    negative = [s for s, (is_negative, _) in zip(scored, texts, strict=True) if is_negative]
    other = [s for s, (is_negative, _) in zip(scored, texts, strict=True) if not is_negative]

    def window(bad: int) -> NegativeShare:
        total = NegativeShare()
        for each in (*dice.choices(negative, k=bad), *dice.choices(other, k=100 - bad)):
            total = total.add(each, from_brand=False)
        return total

    return window


def angry(scored: Sequence[Sentiment], texts: Sequence[tuple[bool, str]]) -> tuple[float, float]:
    """Shares of storm windows and of calm ones in which `streams.brand` sees anger, the usual being known."""
    window, limit = windows_of(scored, texts), BrandParams().anger_z
    usual = pooled([window(20) for _ in range(20)]).share or 0.0
    seen = [
        [anger(one.share or 0.0, one.texts, usual) >= limit for one in map(window, [bad] * 1000)]
        for bad in (60, 20)
    ]
    return share(seen[0]), share(seen[1])


def storms(scored: Sequence[Sentiment], texts: Sequence[tuple[bool, str]], windows: int = 1000) -> float:
    """Share of windows of 100 texts, 60 negative, that stand out more than 99 % of those with 20 negative."""
    window = windows_of(scored, texts)
    usual = pooled([window(20) for _ in range(20)])
    calm = sorted(against_usual(window(20), usual) or 0.0 for _ in range(windows))
    limit = calm[int(0.99 * windows)]
    return share((against_usual(window(60), usual) or 0.0) > limit for _ in range(windows))


def main() -> int:
    """Run all parts; the exit status says whether every target was met."""
    with gzip.open(DATA / "support.jsonl.gz", "rt", encoding="utf-8") as file:
        mentions: list[Mention] = [json.loads(line) for line in file]
    judge_canned(mentions)
    judge_sentiment(lambda _: LexiconScorer(), "lexicons")
    if "--train" in sys.argv[1:]:
        judge_sentiment(trained_on_even, "lexicons and n-gram model", half=1)
    judge_clock(mentions)
    judge_due()
    judge_mask(mentions)
    print("missed: " + "; ".join(missed) if missed else "every target met")
    return 1 if missed else 0


def trained_on_even(lang: str) -> SentimentScorer:
    """The ensemble with a model of every other text."""
    return EnsembleScorer((train(labelled(lang)[::2], lang),))


if __name__ == "__main__":
    sys.exit(main())

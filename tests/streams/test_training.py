"""Learning weights from recordings."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from streams.forecast import SIGNALS, features_of, viral_probability
from streams.mention import Mention
from streams.thread import DAY_MS, step
from streams.training import corrected, fit, tell
from tests.mentions import altered

Make = Callable[..., Mention]
HOUR = 3_600_000


def recording(mention: Make, threads: int = 240, seed: int = 1) -> Iterator[Mention]:
    """Threads whose people come at a rate that is their own, and fades with a time constant of 3 h."""
    rng, said = random.Random(seed), []
    for number in range(threads):
        root = f"forum:t{number}"
        began = number * HOUR
        rate = rng.lognormvariate(1.5, 1.2)
        said.append(altered(mention(root, began, author=f"{root}-0"), thread_id=root))
        for n in range(int(rate * 3)):
            at = began + int(rng.expovariate(1 / 3.0) * HOUR)
            said.append(altered(mention(f"{root}-{n}", at, author=f"{root}-{n + 1}"), thread_id=root))
    return iter(sorted(said, key=lambda one: one.created_ms))


def test_stories_are_what_was_seen(mention: Make) -> None:
    """Each moment carries the features of that moment, and the story how the day ended."""
    said = [mention("forum:root", 0, author="root")]
    said += [mention(at=n * HOUR, author=f"u{n % 3}") for n in range(1, 30)]
    said += [mention(at=40, from_brand=True), altered(mention(at=50), kind="volume")]
    (story,) = tell(sorted(said, key=lambda one: one.created_ms))
    assert (story.size, len(story.moments)) == (24, 24)
    thread = None
    for one, moment in zip(said, story.moments, strict=False):
        thread = step(thread, one)
        assert thread is not None
        assert moment.features[:4] == pytest.approx(features_of(thread)[:4])
        assert moment.at_ms == one.created_ms
    assert story.moments[-1].at_ms - story.started_ms < DAY_MS


def test_learning_finds_what_is_there(mention: Make) -> None:
    """On threads it has not seen, what was learned tells the big from the small, at any threshold."""
    model = fit(tell(recording(mention, seed=1)), 40, about="a test")
    assert (model.viral_at, model.about, list(model.weights)) == (40, "a test", list(SIGNALS))
    fresh = tell(recording(mention, seed=2))
    for viral_at in (20, 40, 80):
        early = [s for s in fresh if len(s.moments) > 8 and s.moments[8].features.mentions < viral_at]
        chances = {True: [0.0], False: [0.0]}
        for story in early:
            chance = viral_probability(story.moments[8].features, viral_at, model)
            chances[story.size >= viral_at].append(chance)
        big, small = (sorted(chances[is_big])[len(chances[is_big]) // 2] for is_big in (True, False))
        assert big > 3 * small


def test_the_same_recording_teaches_the_same(mention: Make) -> None:
    """No randomness, no clock."""
    stories = tell(recording(mention))
    assert fit(stories, 40) == fit(stories[::-1], 40)


def test_peoples_word_makes_a_storm_of_what_was_put_out(mention: Make) -> None:
    """And none of what was big and harmless; the rest is as big as it became."""
    stories = tell(recording(mention, threads=30))
    small = next(one for one in stories if one.size < 40)
    big = next(one for one in stories if one.size >= 40)
    said = {small.thread_id: True, big.thread_id: False, "elsewhere": True}
    after = {one.thread_id: one.size for one in corrected(stories, said, 40)}
    assert (after.pop(small.thread_id), after.pop(big.thread_id)) == (40, 39)
    assert after == {one.thread_id: one.size for one in stories if one.thread_id in after}


def test_nothing_to_tell_apart_is_refused(mention: Make) -> None:
    """Weights from storms alone, or from none, would be made up."""
    stories = tell(recording(mention, threads=30))
    with pytest.raises(ValueError, match="less and with more than 100000 mentions"):
        fit(stories, 100_000)

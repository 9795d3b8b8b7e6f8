"""Where a storm's pace comes from: seconds between real posts, without a word or a name of them.

    python -m agents.recordings.timing STORM.jsonl.gz      derives storm-timing.json anew

The build reads storm-timing.json alone; this is kept so that anyone with the data can check the figures.
"""

from __future__ import annotations

import gzip
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

TIMING = Path(__file__).parent / "storm-timing.json"


def derive_timing(path: Path, every: int = 16) -> dict[str, Any]:
    """Pace of the #IchBinHanna storm's first day, thinned to each `every`-th post.

    `path` holds the public posts as mentions in `.jsonl.gz`; taken are those about the ministry from
    08:00 to 24:00 UTC on 10 June 2021, when the storm left its topic's calm. Only whole seconds since
    the first of them are kept: no id, no author, no text.
    """
    begin, end = "2021-06-10T08:00:00Z", "2021-06-11T00:00:00Z"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        posts = [json.loads(line) for line in lines]
    times = sorted(
        datetime.fromisoformat(post["created_at"])
        for post in posts
        if post["brand"] == "ministry" and begin <= post["created_at"] < end
    )
    return {
        "source": "#IchBinHanna Research Collective: times of public posts, 10 June 2021, 08:00 to 24:00 UTC",
        "licence": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
        "changes": f"every {every}th post of {len(times)}; whole seconds since the first; nothing else kept",
        "offsets_s": [int((time - times[0]).total_seconds()) for time in times[::every]],
    }


if __name__ == "__main__":
    TIMING.write_text(
        json.dumps(derive_timing(Path(sys.argv[1])), ensure_ascii=False) + "\n", encoding="utf-8"
    )

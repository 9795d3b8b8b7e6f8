"""Takes pages by webhook and by mail, and notes how long after its mention was due each came; ends with its
input.

A webhook tells when its alert was raised; a mail is known by the incident that its links lead to.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from datetime import datetime
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller

from tests.benchmarks.runners.clock import config

_INCIDENT = re.compile(rb"/incidents/(in-[0-9a-f]+)")


class Taken:
    """Moments, seconds since the epoch."""

    def __init__(self) -> None:
        self.raised: dict[str, float] = {}  # by incident
        self.came: list[tuple[str, str, float]] = []  # by what, the incident, when

    async def hook(self, request: web.Request) -> web.Response:
        """One page by webhook."""
        told = await request.json()
        data = told["data"]
        if told["type"] == "flashover.page":
            raised = datetime.fromisoformat(data["case"]["raised_at"]).timestamp()
            if self.raised.setdefault(data["incident"], raised) == raised:
                self.came.append(("webhook", data["incident"], time.time()))
        return web.Response()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """One page by mail."""
        now_s = time.time()
        found = _INCIDENT.search(envelope.content.replace(b"=\r\n", b""))
        self.came.append(("mail", found[1].decode() if found else "", now_s))
        return "250 taken"


async def main() -> None:
    """Listen until standard input ends, then print every (channel, latency in ms)."""
    asked, taken = config(), Taken()
    app = web.Application()
    app.router.add_post("/hook", taken.hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", asked["hook_port"]).start()
    mail = Controller(taken, "127.0.0.1", asked["mail_port"])
    mail.start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    mail.stop()
    await runner.cleanup()
    known = [
        (channel, 1000 * (at - taken.raised[one])) for channel, one, at in taken.came if one in taken.raised
    ]
    print(json.dumps({"incidents": len(taken.raised), "heard": known}))


if __name__ == "__main__":
    asyncio.run(main())

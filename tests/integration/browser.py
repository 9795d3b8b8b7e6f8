"""Debian's Chromium, headless, driven over WebDriver.

Law of this file: each browser has a folder of its own that is gone afterwards, talks to loopback alone, and
is ended, with its driver, when its `with` ends.
"""

from __future__ import annotations

import shutil
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

PHONE, DESK = (390, 844), (1280, 900)

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@contextmanager
def browser(size: tuple[int, int] = DESK, *, dark: bool = False, lang: str = "en") -> Iterator[Chrome]:
    """A browser window of a size in CSS pixels; a phone's is touched instead of clicked."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs Debian's chromium and chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    width, height = size
    with TemporaryDirectory(prefix="flashover-chromium-") as folder:
        flags = [*_FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}", f"--lang={lang}"]
        for flag in flags:
            options.add_argument(flag)
        service = Service(driver, env={"HOME": folder, "PATH": "/usr/bin:/bin", "LANGUAGE": lang})
        chrome = Chrome(options=options, service=service)
        try:
            chrome.set_page_load_timeout(30)
            chrome.implicitly_wait(10)
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
            chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            chrome.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": size == PHONE})
            scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
            chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
            yield chrome
        finally:
            chrome.quit()


def picture(chrome: Chrome, to: Path, most: int = 6000) -> None:
    """The page as a PNG, at most so many pixels of its height, for somebody to look at."""
    size = chrome.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], most), "scale": 1}
    shot = chrome.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    to.write_bytes(b64decode(shot["data"]))

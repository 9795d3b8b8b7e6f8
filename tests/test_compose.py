"""The compose file and the Dockerfile are accepted, agree with each other and with what is tested against."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]


def compose() -> list[str]:
    """Return the command of Docker Compose that this machine has, the plugin before the old one."""
    if shutil.which("docker"):
        plugin = ["docker", "compose"]
        if subprocess.run([*plugin, "version"], capture_output=True).returncode == 0:
            return plugin
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("Docker Compose is not installed")


def test_docker_compose_accepts_it() -> None:
    done = subprocess.run(
        [*compose(), "-f", str(ROOT / "docker-compose.yml"), "config"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for expected in ("FLASHOVER_BROKERS", "condition: service_healthy", "kafka-data"):
        assert expected in done.stdout


def test_the_composed_kafka_is_the_tested_one() -> None:
    pom = ElementTree.parse(ROOT / "tests/integration/kafka/pom.xml")  # noqa: S314 - our own file
    maven = {"m": "http://maven.apache.org/POM/4.0.0"}
    versions = {
        str(each.findtext("m:artifactId", namespaces=maven)): each.findtext("m:version", namespaces=maven)
        for each in pom.iterfind(".//m:dependency", maven)
    }
    assert f"image: apache/kafka:{versions['kafka_2.13']} " in (ROOT / "docker-compose.yml").read_text()


def test_the_image_is_built_from_what_is_there_and_let_through() -> None:
    """Each path that the Dockerfile copies exists, and .dockerignore lets it through."""
    copied = [
        source
        for line in re.findall(r"^COPY (.+)$", (ROOT / "Dockerfile").read_text(), re.M)
        for source in line.split()[:-1]
    ]
    let_through = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M)
    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert source in let_through


def test_the_image_has_the_version_of_the_project() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"image: flashover:{project['version']}\n" in (ROOT / "docker-compose.yml").read_text()

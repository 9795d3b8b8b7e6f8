"""The compose file and the Dockerfile are accepted, agree with each other and with what is tested against."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
import yaml

from agents.cli import cli
from agents.settings import Settings, unknown_variables
from agents.sources.kinds import KINDS
from agents.web.settings import Web

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


def test_docker_compose_accepts_it(composed: dict[str, Any]) -> None:
    """With every profile at once."""
    profiles = {name for one in composed["services"].values() for name in one.get("profiles", ())}
    assert len(profiles) > 10
    every = [part for name in sorted(profiles) for part in ("--profile", name)]
    done = subprocess.run(
        [*compose(), "-f", str(ROOT / "docker-compose.yml"), *every, "config"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for expected in ("FLASHOVER_BROKERS", "condition: service_healthy", "kafka-data", "source-bluesky:"):
        assert expected in done.stdout


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """The file, with what its anchors share filled in."""
    told: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return told


def test_only_what_people_look_at_is_published_and_on_loopback(composed: dict[str, Any]) -> None:
    published = {(name, port) for name, one in composed["services"].items() for port in one.get("ports", ())}
    port = Web().port
    assert published == {("grafana", "127.0.0.1:3000:3000"), ("web", f"127.0.0.1:{port}:{port}")}


def test_every_variable_is_a_setting(composed: dict[str, Any]) -> None:
    for service in composed["services"].values():
        assert unknown_variables(service.get("environment") or {}) == []


def test_every_command_exists(composed: dict[str, Any]) -> None:
    for service in composed["services"].values():
        if service["image"].startswith("flashover:"):
            name, *rest = service["command"]
            command = cli.get_command(click.Context(cli), name)
            assert command is not None
            command.make_context(name, rest, resilient_parsing=True)


def test_what_is_mounted_is_there_and_every_volume_is_used(composed: dict[str, Any]) -> None:
    used = set()
    for service in composed["services"].values():
        for volume in service.get("volumes", ()):
            source, _, mode = re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", volume).partition(":")
            if source == "/dev/null":
                assert mode.endswith(":ro")  # settings, where FLASHOVER_SETTINGS names none
            elif source.startswith("."):
                assert (ROOT / source).exists()
                assert mode.endswith(":ro")
            else:
                used.add(source)
    assert used == set(composed["volumes"])


def test_every_service_is_bounded_and_pinned(composed: dict[str, Any]) -> None:
    """Memory, processor, a version, no new rights, a read-only root where the image bears it."""
    for name, service in composed["services"].items():
        limits = service["deploy"]["resources"]["limits"]
        assert limits["cpus"]
        assert limits["memory"]
        assert re.search(r":v?[0-9]+\.[0-9]+\.[0-9]+$", service["image"])
        assert "no-new-privileges:true" in service["security_opt"]
        assert service.get("read_only") or name == "kafka"  # writes its settings where it starts


def test_secrets_come_from_files_and_are_explained(composed: dict[str, Any]) -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    used = {secret for service in composed["services"].values() for secret in service.get("secrets", ())}
    assert used == set(composed["secrets"])
    for name in used:
        assert f"`secrets/{name}`" in operations
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    alertmanager = (ROOT / "dashboards" / "prometheus" / "alertmanager.yml").read_text()
    wanted = set(re.findall(r"/run/secrets/(\w+)", alertmanager))
    assert wanted == set(composed["services"]["alertmanager"]["secrets"])


def test_prometheus_asks_the_workers_where_they_answer(composed: dict[str, Any]) -> None:
    asked = (ROOT / "dashboards" / "prometheus" / "prometheus.yml").read_text()
    workers = [one for name, one in composed["services"].items() if name.startswith("worker")]
    assert len(workers) == 2
    for service in workers:
        assert f"port: {service['environment']['FLASHOVER_METRICS_PORT']}\n" in asked
        assert service["environment"]["FLASHOVER_METRICS_HOST"] == "0.0.0.0"  # noqa: S104
        assert "worker" in service["networks"]["default"]["aliases"]
    assert "names: [worker]" in asked


def test_topics_and_workers_share_their_settings(composed: dict[str, Any]) -> None:
    services = composed["services"]
    ours = {
        name: one["environment"] for name, one in services.items() if one["image"].startswith("flashover:")
    }
    assert len(ours) > 4
    shared = ours["topics"]
    for name, one in ours.items():
        own = {key: value for key, value in one.items() if shared.get(key) != value}
        assert len(own) + len(shared) == len(one), name
        if name.startswith("source-"):
            assert all(key.startswith("FLASHOVER_SOURCES__") for key in own)
        else:
            assert own == ({} if name in ("topics", "demo") else signing(ours["web"])), name


def signing(environment: dict[str, str]) -> dict[str, str]:
    """What only those have who make or read signed links."""
    return {key: value for key, value in environment.items() if key.startswith("FLASHOVER_WEB")}


def test_the_key_of_sessions_is_with_those_that_sign(composed: dict[str, Any]) -> None:
    """Nobody else, least of all what listens to the internet."""
    having = {name for name, one in composed["services"].items() if "web_key" in one.get("secrets", ())}
    assert having == {"worker-1", "worker-2", "web"}


def test_every_kind_of_source_has_a_service_that_is_off_by_default(composed: dict[str, Any]) -> None:
    """A service for a source has a profile, runs the table of its kind's name, and Prometheus asks it."""
    asked = (ROOT / "dashboards" / "prometheus" / "prometheus.yml").read_text()
    sources = {name: one for name, one in composed["services"].items() if name.startswith("source-")}
    assert {name.removeprefix("source-") for name in sources} == set(KINDS)
    for name, one in sources.items():
        kind = name.removeprefix("source-")
        assert one["profiles"] == [kind]
        assert one["command"] == ["source", "run", kind]
        assert "source" in one["networks"]["default"]["aliases"]
    assert "names: [source]" in asked
    assert f"port: {Settings.model_fields['source_metrics_port'].default}\n" in asked


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


def test_grafana_is_told_where_the_files_are() -> None:
    """The provider's folder is where the compose file puts them; the data source is Prometheus there."""
    provisioning = ROOT / "dashboards" / "grafana" / "provisioning"
    compose = (ROOT / "docker-compose.yml").read_text()
    path = re.search(r"path: (\S+)", (provisioning / "dashboards" / "flashover.yml").read_text())
    assert path
    assert f"./dashboards/grafana/boards:{path[1]}:ro" in compose
    assert "url: http://prometheus:9090" in (provisioning / "datasources" / "prometheus.yml").read_text()

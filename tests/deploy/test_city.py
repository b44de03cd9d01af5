"""What brings up the city form: compose.yaml, the image, systemd's units. Read and checked; no container is started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typer.testing import CliRunner

from soc_api import routes
from soc_cli.commands import collect, work
from soc_core import config, registry
from soc_core.config import ROOT
from soc_ui import gate

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PLACE = "/opt/citysoc/.venv/bin/python"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Health(Strict):
    test: list[str]
    interval: str = Field(pattern=r"^\d+s$")
    timeout: str = Field(pattern=r"^\d+s$")
    retries: int


class Build(Strict):
    context: str
    dockerfile: str


class Condition(Strict):
    condition: str = Field(pattern=r"^service_(started|healthy|completed_successfully)$")


class Service(Strict):
    """The keys of the Compose specification that we use: https://github.com/compose-spec/compose-spec"""

    image: str = Field(pattern=r"^[a-z0-9/._-]+:(\d+\.\d+(\.\d+)?|local)$")
    build: Build | None = None
    restart: str = Field(pattern=r"^(no|always|on-failure|unless-stopped)$")
    init: bool = False
    read_only: bool = False
    cap_drop: list[str] = []
    security_opt: list[str] = []
    tmpfs: list[str] = []
    environment: dict[str, str]
    volumes: list[str]
    depends_on: dict[str, Condition] = {}
    ulimits: dict[str, dict[str, int]] = {}
    healthcheck: Health | None = None
    command: list[str] = []
    ports: list[str] = []
    stop_grace_period: str = "10s"


class Compose(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: str
    ours: Any = Field(alias="x-ours")
    services: dict[str, Service]
    volumes: dict[str, None]


@pytest.fixture(scope="module")
def compose() -> Compose:
    return Compose.model_validate(yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8")))


def test_services_hang_together(compose: Compose) -> None:
    for name, service in compose.services.items():
        for needed in service.depends_on:
            assert compose.services[needed].healthcheck, (name, needed)
        for volume in service.volumes:
            where = volume.partition(":")[0]
            assert where in compose.volumes or (ROOT / where).is_file(), volume
        assert all(port.startswith("${SOC_BIND:-127.0.0.1}:") for port in service.ports)
    assert set(compose.services) == {"elasticsearch", "kafka", "postgres", "collect", "work", "api", "console"}


def test_health_is_asked_where_it_is_answered(compose: Compose) -> None:
    """What the checks of our services open is there: a door, the API's own route, the console's own probe."""
    asked = {name: service.healthcheck.test for name, service in compose.services.items()
             if service.build and service.healthcheck}
    assert set(asked) == {"collect", "api", "console"}  # a worker has no door: its word is in the state database
    for name, test in asked.items():
        assert test[:3] == ["CMD", "python", "-c"]
        compile(test[3], name, "exec")
        port = re.findall(r"127\.0\.0\.1(?:', |:)(\d+)", test[3])
        assert any(each.endswith(f":{port[0]}") for each in compose.services[name].ports), name
    assert "/api/v1/health'" in asked["api"][3]
    assert any(f"{path}'" in asked["console"][3] for path in gate.PROBES)
    assert "/health" in {route.path for route in routes.router.routes if isinstance(route, APIRoute)}
    postgres = compose.services["postgres"].healthcheck
    assert postgres
    assert "-h 127.0.0.1" in postgres.test[1]  # its socket answers already while the first start makes the database


def test_without_a_container_engine_it_is_one_sentence(tmp_path: Path) -> None:
    before = (ROOT / ".env").exists()
    for tool in ("sh", "dirname", "readlink"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    done = subprocess.run([str(DEPLOY / "city"), "up"], env={"PATH": str(tmp_path)}, capture_output=True, text=True,
                          timeout=20)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("soc: the city form in containers needs docker")
    assert (ROOT / ".env").exists() == before


def test_secrets_are_asked_for_and_never_written_down(compose: Compose) -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert not re.search(r"PASSWORD\w*: (?!\$\{SOC_\w+:\?)", text)
    made = (DEPLOY / "city").read_text(encoding="utf-8")
    wanted = set(re.findall(r"\$\{(SOC_\w+PASSWORD):\?", text))
    assert wanted == set(re.findall(r"SOC_\w+PASSWORD", made))
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_what_our_services_run_exists(compose: Compose) -> None:
    ours = {name: service.command for name, service in compose.services.items() if service.build}
    for name, command in ours.items():
        module, *rest = command
        if module == "soc_cli":
            assert rest[0] in registry.names("soc_cli.commands"), name
        else:
            done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True,
                                  timeout=60, check=True)
            assert all(option in done.stdout for option in rest if option.startswith("--")), name
    for app, options in ((collect.app, ["--no-demo"]), (work.app, ["--data"])):
        shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
        assert all(option in re.sub(r"\x1b\[[\d;]*m", "", shown) for option in options)


def test_the_settings_name_the_composes_servers(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOC_ELASTIC_PASSWORD", "x")
    settings = config.load(file=DEPLOY / "soc.yaml")
    elastic, kafka = settings.event_engine.elastic, settings.journal_engine.kafka
    assert elastic
    assert kafka
    assert elastic.password.get_secret_value() == "x"
    hosts = [re.split(r"[/:]+", url)[1] for url in elastic.urls] + [kafka.servers.partition(":")[0]]
    hosts.append(settings.state.partition("@")[2].partition("/")[0])
    assert hosts == ["elasticsearch", "kafka", "postgres"]
    listen = settings.listen
    inside = {int(port.rpartition("/")[0].rpartition(":")[2] or port.rpartition(":")[2]) if "/" in port
              else int(port.rpartition(":")[2]) for port in compose.services["collect"].ports}
    assert inside == {listen.syslog_udp, listen.syslog_tcp, listen.http}


def test_the_image_has_all_that_runs() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (.+)$", text, re.M) for word in line.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench", "tests"}
    assert packages <= set(copied)
    lock = (DEPLOY / "requirements.lock").read_text(encoding="utf-8")
    pinned = {name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)==", lock, re.M)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["kafka"], *extras["postgres"], *extras["mqtt"]]
    names = {re.split(r"[\[><=~!; ]", each)[0].lower().replace("_", "-") for each in wanted}
    assert names - pinned == set()
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", lock)) > len(pinned)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_sound_and_hardened(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    command = re.findall(r"^ExecStart=(.+)$", text, re.M)
    assert len(command) == 1
    assert command[0].startswith(f"{PLACE} -m ")
    assert "ProtectSystem=strict" in text
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("cannot run here: systemd-analyze")
    for path in (DEPLOY / "systemd").iterdir():  # the interpreter as it is here: where ours is to be, nothing lies
        name = path.name.replace("@.", "@1.")
        (tmp_path / name).write_text(path.read_text(encoding="utf-8").replace(PLACE, os.path.realpath(sys.executable)))
    mine = tmp_path / unit.name.replace("@.", "@1.")
    said = subprocess.run([tool, "verify", "--man=no", str(mine)], capture_output=True, text=True, timeout=60)
    ours = [line for line in (said.stdout + said.stderr).splitlines() if "citysoc" in line]
    assert (said.returncode, ours) == (0, [])
    rated = subprocess.run([tool, "security", "--offline=true", str(mine)], capture_output=True, text=True, timeout=60)
    level = re.search(r"exposure level for \S+: ([\d.]+)", rated.stdout)
    assert level, rated.stderr
    assert float(level[1]) <= 2.5


def test_units_and_compose_run_the_same(compose: Compose) -> None:
    units = {re.sub(r"citysoc-|@?\.service", "", unit.name): unit.read_text(encoding="utf-8") for unit in UNITS}
    ours = {name: service.command for name, service in compose.services.items() if service.build}
    assert set(units) == set(ours)
    for name, command in ours.items():
        assert f" -m {command[0]} " in units[name]
    assert TypeAdapter(dict[str, str]).validate_python(compose.services["work"].environment)

"""Run every test this machine can run, and say what was skipped and why. 运行测试"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import typer

app = typer.Typer(add_completion=False)

# What the tests use of the system: package → a program that shows it is there.
PACKAGES = {
    "chromium": "chromium",
    "fonts-noto-cjk": "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "postgresql": "/usr/lib/postgresql",
    "mosquitto": "mosquitto",
    "rsyslog": "rsyslogd",
    "rsyslog-elasticsearch": "/usr/share/doc/rsyslog-elasticsearch",
    "rsyslog-openssl": "/usr/share/doc/rsyslog-openssl",
    "rsyslog-relp": "/usr/share/doc/rsyslog-relp",
}


def missing() -> list[str]:
    """Names of the system packages that are not here."""
    return [name for name, probe in PACKAGES.items() if not (shutil.which(probe) or os.path.exists(probe))]


def provide() -> None:
    """As root install what is missing; else print the one line that would."""
    wanted = missing()
    if not wanted:
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *wanted]):
            subprocess.run(["apt-get", *step], check=False, env=environment, stdout=subprocess.DEVNULL)
        still = missing()
        if still:
            print(f"soc: could not install {' '.join(still)}; what needs them is skipped", file=sys.stderr)
    else:
        line = f"sudo apt-get install {' '.join(wanted)}"
        print(f"soc: for all tests: {line}; until then, what needs them is skipped", file=sys.stderr)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(ctx: typer.Context) -> None:
    """Run pytest with the given arguments (./soc test tests/soc_core -x), or everything on all cores."""
    import pytest

    from soc_core.config import ROOT

    provide()
    os.chdir(ROOT)
    arguments = list(ctx.args) or ["-n", str(os.cpu_count() or 1), "--dist", "worksteal", "--durations", "10"]
    raise typer.Exit(int(pytest.main([*arguments, "-rs"])))

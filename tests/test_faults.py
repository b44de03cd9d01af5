"""Random faults under load, drawn from today's date, on one machine's form (the long proof is ./soc bench faults)."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from bench import faults
from detections.sigma.detector import build
from soc_cli.wiring import Platform
from soc_core import clock
from soc_core.config import ROOT, Settings
from soc_core.protocols import Origin, Raws

RULES = ROOT / "detections" / "rules" / "ssh"


@pytest.mark.timeout(580)  # a machine with other work: five processes start, one after another
def test_a_few_faults_lose_and_double_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "ENOUGH", 3)
    (tmp_path / "cache").mkdir()
    found = faults.trial("local", 2, int(time.strftime("%Y%m%d")), pause=0.3, cache=tmp_path / "cache", workers=1)
    assert found["wrong"] == []
    assert found["records"] >= 3 * 3 * faults.BATCH


def test_the_comparison_sees_loss_doubling_and_other_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored is held against lists that differ from what was sent."""
    stamp = clock.to_text(clock.now())
    lines = [f"<38>1 {stamp} h sshd 12 - - Failed password for root from 192.0.2.7 port {n} ssh2".encode()
             for n in range(30)]
    sent = [("fault/a", "batch-0", lines), ("fault/b", "batch-1", lines)]
    settings = Settings(data=tmp_path)
    detectors = build([RULES], cache=tmp_path / "cache")  # the same for all platforms here, as the inventory is
    monkeypatch.setattr(Platform, "detectors", lambda *_: detectors)
    monkeypatch.setattr(Platform, "inventory", Platform(settings).inventory)
    with Platform(settings) as platform:
        for source, key, body in sent:
            origin = Origin(source=f"http:default/{source}", format="syslog", series=key)
            platform.journal.append([Raws(origin, body, clock.now(), np.arange(len(body), dtype=np.int64))])
        platform.worker().drain()
    assert faults.differences(settings, sent) == []
    wrong = faults.differences(settings, [sent[0], ("fault/c", "batch-2", lines * 2)])
    assert wrong[:2] == ["60 acknowledged records are lost", "30 events that nobody sent"]
    assert wrong[2] == "60 records count as stored, 90 are"
    assert "alerts differ" in wrong[-1]

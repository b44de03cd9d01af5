"""`./soc audit`: the heads go into a file, and the chain is checked against them."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from soc_cli.__main__ import main
from soc_core import audit
from soc_core.state.database import Database
from soc_core.state.tables import AuditHeadRow, AuditRow


def test_a_tail_that_was_cut_off_shows_against_the_auditors_file(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, file = ("--data", str(tmp_path)), tmp_path / "heads.ndjson"
    state = Database(f"sqlite:///{tmp_path / 'state.db'}")
    state.migrate()
    with state.begin() as session:
        for number in range(5):
            audit.append(session, "wang", "alert.verdict", f"alert:{number}")
    assert main(["audit", "heads", "--out", str(file), *data]) == 0
    assert orjson.loads(file.read_bytes().splitlines()[-1])["size"] == 5
    assert main(["audit", "verify", "--heads", str(file), "--json", *data]) == 0
    told = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["broken"], told["unlike"], told["held"], told["entries"]) == (None, None, 1, 6)
    with state.begin() as session:  # the last three links away, and the head set to fit
        rows = [session.get(AuditRow, number) for number in range(1, 8)]
        kept = rows[3]
        head = session.get(AuditHeadRow, audit.ONE)
        assert kept is not None
        assert head is not None
        for row in rows[4:]:
            assert row is not None
            session.delete(row)
        head.id, head.hash = kept.id, kept.hash
    assert main(["audit", "verify", *data]) == 0  # alone it looks whole
    assert main(["audit", "verify", "--heads", str(file), *data]) == 1
    assert "first 5 entries" in capsys.readouterr().out
    file.write_text("nonsense\n")
    assert main(["audit", "verify", "--heads", str(file), *data]) == 2
    state.close()

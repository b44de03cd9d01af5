"""./soc doctor: each check is one line; what does not work is said with its remedy."""

from __future__ import annotations

from pathlib import Path

from tests.running import answer, soc


def test_doctor_finds_this_machine_fit(tmp_path: Path) -> None:
    checks = answer("doctor", "--data", tmp_path / "data")["checks"]
    assert isinstance(checks, list)
    names = {check["name"]: check["state"] for check in checks}
    assert {"python", "disk", "city", "rules", "formats"} <= set(names)
    assert "broken" not in names.values()


def test_doctor_says_how_to_mend_a_bad_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = soc("doctor", "--data", tmp_path / "file" / "data", check=False)
    assert done.returncode == 1
    assert "give a writable directory" in done.stdout

"""./soc bench: figures with all their keys; unknown names are refused."""

from __future__ import annotations

from tests.running import soc


def test_bench_lists_itself() -> None:
    listed = soc("bench").stdout
    assert "ingest" in listed
    assert "kill" in listed


def test_an_unknown_bench_is_refused() -> None:
    done = soc("bench", "no-such-bench", check=False)
    assert done.returncode == 2
    assert "no-such-bench" in done.stderr


def test_figures_have_all_their_keys(monkeypatch: object) -> None:
    from soc_cli.figures import KEYS, number

    assert KEYS == ("name", "value", "unit", "peer", "peer_value", "ratio", "target", "met")
    assert (number(None), number(12345.6), number(0.1234)) == ("", "12,346", "0.123")

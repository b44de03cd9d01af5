"""./soc city whose: the owner of an address or host, with what fails when its system does."""

from __future__ import annotations

from tests.running import answer, soc


def test_whose_an_address_and_a_host_are() -> None:
    done = soc("city", "whose", "10.64.2.9", "EGOV-EXTRANET-IDS-01", "192.0.2.1", check=False)
    assert done.returncode == 1  # nobody holds the last one
    first, second, more, last = done.stdout.splitlines()
    assert "cs-bigdata 长沙市大数据中心" in first
    assert "system egov_extranet" in second
    assert "fails with it: 2 systems: city_soc, no_cert_city" in more
    assert "nobody in the zone city" in last


def test_an_address_means_something_within_its_zone_alone() -> None:
    assert soc("city", "whose", "10.8.29.5", check=False).returncode == 1
    found = answer("city", "whose", "10.8.29.5", "--zone", "cloud")["owners"]
    assert isinstance(found, list)
    assert (found[0]["organisation"], found[0]["system"]) == ("cs-bigdata", "api_gateway")
    assert "my_changsha" in found[0]["dependents"]

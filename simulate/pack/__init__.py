"""Makes the generated files of the Changsha pack: same seed, same bytes. `./soc city pack` writes them.

city.yml, systems.yml and paths.yml are written by hand; everything made here is invented and marked so.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from simulate.pack import geometry, networks, organisations, systems
from simulate.pack.dice import Dice
from soc_core.pack import read_city, read_systems

SEED = 20260101


def files(city: Path, seed: int = SEED) -> dict[str, bytes]:
    """File name → contents, from the hand-written files of `city` and the seed."""
    about = read_city(city / "city.yml")
    if about.id != "changsha":
        raise ValueError(f"{city}: only the Changsha pack is generated; another city writes its own (docs/city.md)")
    named = read_systems(city)[0].rows
    tree = organisations.tree(about, Dice(seed, "organisations"))
    made = systems.generated(tree, Dice(seed, "systems"))
    hosts = networks.hosts(named, made)
    ranges = networks.ranges(about, tree, named, made, Dice(seed, "networks"))
    return {
        "organisations.csv": _csv(organisations.COLUMNS, tree),
        "systems-generated.csv": _csv(systems.COLUMNS, made),
        "networks.csv": _csv(networks.RANGE_COLUMNS, ranges),
        "hosts.csv": _csv(networks.HOST_COLUMNS, hosts),
        "contacts.csv": _csv(organisations.CONTACT_COLUMNS, organisations.contacts(tree)),
        "map.geojson": geometry.geojson(about).encode(),
    }


def _csv(columns: Sequence[str], rows: Iterable[dict[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()

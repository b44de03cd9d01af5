"""Accounts: add the first administrators and agencies' people, list, reset, shut out. 账户

For who may write the data directory. Every change is a link of the audit chain, under the name `shell:USER`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soc_cli.opening import opened

if TYPE_CHECKING:
    from casework.services import Services
    from soc_core.access import Actor

app = typer.Typer(add_completion=False, no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="data directory")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]
Name = Annotated[str, typer.Argument(help="account name")]


@app.command("add")
def add(
    name: Name,
    role: Annotated[list[str], typer.Option(help="analyst, shift_lead, agency_admin, security_admin …; may repeat")],
    organisation: Annotated[str, typer.Option(help="id of the organisation whose data it may see; default: all")] = "",
    display: Annotated[str, typer.Option(help="name as people know it")] = "",
    person: Annotated[str, typer.Option(help="whose it is, as a staff number")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make an account; its one-time password is shown this once."""
    from casework import accounts
    from casework.services import NotFound
    from soc_core.access import Role

    known_roles(role)
    if role == [Role.AGENCY_ADMIN] and not organisation:
        raise ValueError("agency_admin needs --organisation: the agency whose data it may see (ids stand in "
                         "organisations.csv of the city folder)")
    with opened(data) as services:
        try:
            made, password = accounts.create(shell(), services, name, map(Role, role), organisation, display, person)
        except NotFound:
            raise ValueError(unknown(services, organisation)) from None
        place = services.organisation_name(organisation) if organisation else "whole city"
    show({"name": made.name, "roles": sorted(made.roles), "organisation": organisation, "place": place,
          "password": password}, as_json)


def unknown(services: Services, organisation: str) -> str:
    """One sentence on an organisation that is not there: where ids stand, and which one may be meant."""
    from difflib import get_close_matches

    known = services.inventory.organisations
    near = [each.id for each in known.values() if organisation in (each.name, each.name_en)]
    near += get_close_matches(organisation, known, n=3)
    meant = "".join(f"; perhaps {key} ({known[key].name})" for key in near[:1])
    return f"no organisation {organisation!r} in {services.settings.city}/organisations.csv{meant}"


@app.command("first")
def first(data: Data = None, as_json: Json = False) -> None:
    """The first account's one-time password, made anew each time, as long as nobody has set their own.

    `./soc up` says it by itself; the city's form and systemd do not.
    """
    from soc_cli.platform_up import FIRST_ACCOUNT, first_account
    from soc_core.config import load

    password = first_account(load(data))
    show({"name": FIRST_ACCOUNT, "password": password or "(its own)"}, as_json)


@app.command("list")
def listing(data: Data = None, as_json: Json = False) -> None:
    """Every account: name, roles, place."""
    from casework import accounts

    with opened(data) as services:
        found = accounts.listing(shell(), services)
    rows: list[dict[str, Any]] = [
        {"name": each.name, "display": each.display, "roles": sorted(each.roles), "disabled": each.disabled,
         "organisation": each.organisation} for each in found]
    if as_json:
        show({"accounts": rows}, True)
        return
    for row in rows:
        print(f"{row['name']:<20} {row['organisation'] or '*':<16} {', '.join(row['roles'])}"
              f"{'  disabled' * row['disabled']}")


@app.command("reset")
def reset(
    name: Name,
    second_factor: Annotated[bool, typer.Option("--second-factor", help="take its second factor away, too")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Another one-time password for somebody who is locked out."""
    from casework import accounts

    with opened(data) as services:
        password = accounts.reset(shell(), services, name, second_factor)
    show({"name": name, "password": password}, as_json)


@app.command("disable")
def disable(
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="let it in again")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Shut an account out; its sessions end at once."""
    from casework import accounts

    with opened(data) as services:
        made = accounts.disable(shell(), services, name, not undo)
    show({"name": name, "disabled": made.disabled}, as_json)


@app.command("factor")
def factor(
    role: Annotated[list[str] | None, typer.Option(help="roles that must have a second factor; may repeat")] = None,
    grace_days: Annotated[int, typer.Option(help="how long an account of them may still come in without")] = 14,
    waive: Annotated[bool, typer.Option("--waive", help="ask it of these roles no more")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Which roles must have a second factor; without --role, as it is."""
    from casework import factors
    from soc_core import clock
    from soc_core.access import Role

    known_roles(role or [])
    with opened(data) as services:
        if role and waive:
            factors.waive(shell(), services, map(Role, role))
        elif role:
            factors.demand(shell(), services, map(Role, role), grace_days=grace_days)
        found = factors.listing(shell(), services)
    rows = [{"role": each.demand.role.value, "since": clock.to_text(each.demand.since),
             "grace_days": each.demand.grace // clock.DAY, "accounts": each.accounts, "without": each.without}
            for each in found]
    if as_json:
        show({"demands": rows}, True)
        return
    for row in rows:
        print("{role:<18} since {since}, {grace_days} days of grace; {without} of {accounts} have none".format(**row))


def known_roles(role: list[str]) -> None:
    from soc_core.access import Role

    known = {each.value for each in Role}
    if odd := [each for each in role if each not in known]:
        raise ValueError(f"no role {odd[0]!r}; the roles are {', '.join(sorted(known))}")


def shell() -> Actor:
    """Whoever sits at the machine: he could write the files themselves, so he is asked for nothing but written down."""
    import getpass

    from soc_core.access import EVERYTHING, Actor, Role

    return Actor(f"shell:{getpass.getuser()}", frozenset({Role.SECURITY_ADMIN}), EVERYTHING)


def show(found: dict[str, Any], as_json: bool) -> None:
    import orjson

    if as_json:
        print(orjson.dumps(found).decode())
        return
    for name, value in found.items():
        print(f"{name:<13} {', '.join(value) if isinstance(value, list) else value}")

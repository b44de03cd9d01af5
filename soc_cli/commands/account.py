"""The one-time password of the first account, as long as nobody has set their own. 首个账户"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def account(
    data: Annotated[Path | None, typer.Option(help="directory that holds everything the platform keeps")] = None,
) -> None:
    """Print it, made anew each time; `./soc up` does so by itself, the city's form and systemd do not."""
    from soc_cli.platform_up import FIRST_ACCOUNT, first_account
    from soc_core.config import load

    password = first_account(load(data))
    print(f"account {FIRST_ACCOUNT}, one-time password {password}" if password else
          f"account {FIRST_ACCOUNT} has a password of its own")

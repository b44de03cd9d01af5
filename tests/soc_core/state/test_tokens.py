from __future__ import annotations

import pytest
from sqlalchemy import select

from soc_core.access import Role
from soc_core.clock import DAY
from soc_core.state import tokens
from soc_core.state.database import Database
from soc_core.state.tables import TokenRow


def test_a_token_is_good_for_its_use_until_it_ends(database: Database) -> None:
    with database.begin() as session:
        token, secret = tokens.issue(session, "gateway", "ingest", "li", organisation="c01", lifetime=DAY)
        other, _ = tokens.issue(session, "reader", "api", "li", roles=[Role.ANALYST])
        assert tokens.check(session, secret, "ingest") == token
        assert tokens.check(session, secret, "api") is None
        assert tokens.check(session, secret + "x", "ingest") is None
        assert tokens.check(session, secret, "ingest", at=token.expires) is None
        tokens.revoke(session, token.id)
        assert tokens.check(session, secret, "ingest") is None
        assert {each.id for each in tokens.listing(session)} == {token.id, other.id}
        kept = session.scalars(select(TokenRow.digest)).all()
    assert all(secret not in digest and len(digest) == 64 for digest in kept)
    assert other.roles == frozenset({Role.ANALYST})


def test_refused(database: Database) -> None:
    with database.begin() as session:
        with pytest.raises(ValueError, match="live"):
            tokens.issue(session, "x", "api", "li", lifetime=0)
        with pytest.raises(LookupError, match="no token"):
            tokens.revoke(session, "x")

"""The lists of members and tokens, and what each of them costs."""

from __future__ import annotations

from typing import Final

from taskproject.api.registry import Access, Listing
from taskproject.db.names import Name
from taskproject.tenancy import selectors

MEMBERS: Final = Listing(
    name="members",
    default_sort="joined",
    accesses=(
        Access(
            rows=lambda asked: selectors.member_list(),
            sorts={"joined": selectors.MEMBER_ORDER},
            index="membership_joined_idx",
            table="membership",
            names=(Name("user", "username"),),
            note="In the order in which they joined.",
        ),
    ),
)
TOKENS: Final = Listing(
    name="tokens",
    default_sort="-created",
    accesses=(
        Access(
            rows=lambda asked: selectors.token_list(),
            sorts={"-created": selectors.TOKEN_ORDER},
            index="api_token_tpk",
            table="api_token",
            names=(Name("user", "username"),),
            note="The last one issued first.",
        ),
    ),
)
LISTINGS: Final = {each.name: each for each in (MEMBERS, TOKENS)}

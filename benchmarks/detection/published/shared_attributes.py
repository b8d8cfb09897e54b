"""Shared attributes: accounts with a card, an address or a program in common are one operation.

The score is the share of all accounts that are in an account's component. With the program among the attributes this is the
rule of an open-source detector that joins accounts by any shared payment, organisation, subnet or
TLS fingerprint, without a cap on how many share it.

Source: the behaviour of m0rs3c0d3/Glasswally (2026), written from its description. Checked: all users
    of one program come out as one group, which is why the two sets of attributes are apart.
"""

import numpy as np
import polars as pl

from published.groups import Components
from published.traffic import Traffic

CAREFUL = ("payment", "ip")
CARELESS = ("payment", "ip", "asn", "client")


def shared_attributes(subject: Traffic, reference: Traffic, names: tuple[str, ...]) -> np.ndarray:
    """Scores each account by the share of accounts it is tied to."""
    components = Components(len(subject.accounts))
    who = pl.Series("who", subject.account)
    for name in names:
        if name not in subject.exchanges.columns:
            continue
        pairs = subject.exchanges.select(who, name).drop_nulls().unique()
        for members in pairs.group_by(name).agg("who")["who"].to_list():
            for other in members[1:]:
                components.tie(members[0], other)
    return components.sizes() / len(subject.accounts)

"""A hunt's result as JSON for programs: `campaigns.json`, and what `--json` prints."""

import math
from typing import Any

from gamekeeper.base.text import clean
from gamekeeper.campaigns.result import Campaign, HuntResult
from gamekeeper.report.account_names import AccountNames
from gamekeeper.report.atlas import techniques_document
from gamekeeper.report.formatting import iso
from gamekeeper.report.power import power_document

SCHEMA = "gamekeeper/hunt@1"


def campaigns_document(result: HuntResult) -> dict[str, Any]:
    """Returns the campaigns, and the log they were found in; what was not measured (NaN) is null.

    The same log hunted twice gives the same document: it holds no wall time.
    """
    names = AccountNames(result.accounts)
    return {
        "schema": SCHEMA,
        "campaigns": [campaign_document(campaign, names) for campaign in result.campaigns],
        "log": _log(result),
        "could_not_show": list(result.could_not_show),
        "power": power_document(result.power) if result.power else None,
        "encoders": list(result.encoders),
    }


def campaign_document(campaign: Campaign, names: AccountNames) -> dict[str, Any]:
    """Returns one campaign, accounts by name, times in ISO 8601; `names` knows aliases."""
    aliases = {account: names.alias(account) for account in campaign.accounts}
    return {
        "id": campaign.id,
        "verdict": campaign.verdict.value,
        "p_benign": measured(campaign.p_benign),
        "decoys": campaign.decoys,
        "families": list(campaign.families),
        "reasons": list(campaign.reasons),
        "innocent": list(campaign.innocent),
        "first_seen": iso(campaign.first_seen),
        "last_seen": iso(campaign.last_seen),
        "exchanges": campaign.exchanges,
        "linked": campaign.linked,
        "links": campaign.links,
        "fragments": list(campaign.fragments),
        "accounts": list(campaign.accounts),
        "members": [member.document() for member in campaign.known_members],
        "atlas": techniques_document(campaign.families),
        "owners": list(campaign.owners),
        "aliases": {account: alias for account, alias in aliases.items() if alias is not None},
    }


def measured(value: Any) -> Any:
    """Returns a value that JSON can carry: NaN and infinities, which it lacks, become null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _log(result: HuntResult) -> dict[str, Any]:
    read = result.read
    return {
        "exchanges": result.exchanges,
        "linked_sample": result.linked_sample,
        "accounts": result.accounts.height,
        "first_seen": iso(result.first_seen),
        "last_seen": iso(result.last_seen),
        "redacted": result.redacted,
        "files": [clean(name) for name in read.files],
        "formats": dict(read.formats),
        "columns": sorted(read.columns_seen),
        "rows": read.rows,
        "bad_rows": read.bad_rows,
        "duplicate_rows": read.duplicate_rows,
        "skipped_records": read.skipped_records,
        "passed_over": dict(read.passed_over),
        "without_text": read.without_text,
        "cut_by_writer": read.cut_by_writer,
        "account_fields": dict(read.account_fields),
        "owner_fields": dict(read.owner_fields),
        "remarks": list(read.remarks),
        "cut_prompts": read.cut_prompts,
    }

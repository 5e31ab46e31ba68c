"""Agreement texts as the portal shows them in its own pages, cleaned once more before they become markup."""

import nh3
from markupsafe import Markup
from sqlalchemy.orm import Session

from console.agreements.models import AgreementVersion, Purpose
from console.agreements.service import live_versions

TEXT_TAGS = {
    "p",
    "br",
    "b",
    "strong",
    "em",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}


def privacy_policy(session: Session, broker_id: int, business_code: str) -> AgreementVersion | None:
    return next(iter(live_versions(session, broker_id, Purpose.PRIVACY, business_code)), None)


def readable(version: AgreementVersion | None) -> Markup:
    """Text and nothing else: no links, no pictures, no attributes."""
    return Markup(nh3.clean(version.html, tags=TEXT_TAGS, attributes={}) if version else "")

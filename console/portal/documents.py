"""Agreement texts as the portal shows them in its own pages: the live version, cleaned once more before it becomes markup."""

import nh3
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from console.agreements.models import Agreement, AgreementVersion, Purpose

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


def live_version(
    session: Session, broker_id: int, purpose: Purpose, code: str | None = None
) -> AgreementVersion | None:
    """The version in force of the broker's first agreement for ``purpose`` (with this ``code``)."""
    query = (
        select(AgreementVersion)
        .join(AgreementVersion.agreement)
        .where(Agreement.broker_id == broker_id, Agreement.purpose == purpose, AgreementVersion.retired_at.is_(None))
        .order_by(Agreement.position, Agreement.id)
        .options(joinedload(AgreementVersion.agreement))
        .limit(1)
    )
    return session.scalar(query.where(Agreement.code == code) if code else query)


def readable(version: AgreementVersion | None) -> Markup:
    """Text and nothing else: no links, no pictures, no attributes."""
    return Markup(nh3.clean(version.html, tags=TEXT_TAGS, attributes={}) if version else "")

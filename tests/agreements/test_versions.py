"""Versions are immutable; one is in force; the register says for which business."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from console.agreements import service
from console.agreements.models import AgreementVersion, Purpose
from console.agreements.service import BadRegister
from console.people.models import StaffEvent
from tests.agreements.given import broker, published, read_to_the_end, sha256, text
from tests.world import AT, given_case, staff_named, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

LATER = AT + timedelta(hours=1)


def test_the_hash_is_that_of_the_canonical_bytes_and_the_source_is_kept(session) -> None:
    version = published(session, "contract")
    assert version.sha256 == sha256(version.html.encode())
    assert version.source == text("contract")
    assert (version.number, version.retired_at) == (1, None)


def test_unchanged_text_makes_no_new_version(session) -> None:
    first = published(session, "contract")
    again = published(session, "contract", source=text("contract") + b"\n\n\n", at=LATER)
    assert again is first
    assert first.retired_at is None


def test_a_new_version_retires_the_former_which_stays_as_it_was(session) -> None:
    first = published(session, "contract")
    before = first.html
    second = published(session, "contract", source=text("contract", 41), at=LATER)
    assert (second.number, first.retired_at, second.retired_at) == (2, LATER, None)
    assert first.html == before
    assert service.live_version(session, broker(session).id, "contract") is second


def test_an_older_text_published_again_is_a_new_version(session) -> None:
    for paragraphs in (3, 4, 3):
        latest = published(session, "contract", source=text("contract", paragraphs))
    assert latest.number == 3


def test_the_database_allows_one_version_in_force(session) -> None:
    version = published(session, "contract")
    twin = AgreementVersion(
        agreement_id=version.agreement_id,
        number=2,
        html="x",
        sha256="x",
        source=b"x",
        source_name="x",
        published_at=AT,
        by="x",
    )
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add(twin)
        session.flush()


def test_a_refused_file_leaves_the_former_version_in_force(session) -> None:
    first = published(session, "contract")
    with pytest.raises(service.BadRegister):
        published(session, "Contract!")
    from console.agreements.importing import BadFile

    with pytest.raises(BadFile):
        published(session, "contract", source=b"\0\0")
    assert service.live_version(session, broker(session).id, "contract") is first


def test_the_purpose_of_a_code_does_not_change(session) -> None:
    published(session, "contract")
    with pytest.raises(BadRegister, match="contract"):
        published(session, "contract", Purpose.READ, source=text("other"))


def test_an_unknown_business_is_refused_by_name(session) -> None:
    with pytest.raises(BadRegister) as refused:
        published(session, "contract", businesses=("open_a_bank",))
    assert "open_a_bank" in refused.value.text


def test_a_text_is_for_its_businesses_or_for_all_in_the_order_of_the_register(session) -> None:
    published(session, "third", position=3)
    published(session, "only_codes", businesses=("add_trading_code",), position=2)
    published(session, "first", position=1)
    published(session, "a_notice", Purpose.NOTICE)
    codes = [v.agreement.code for v in service.live_versions(session, broker(session).id, Purpose.SIGN)]
    assert codes == ["first", "only_codes", "third"]
    case = given_case(session)
    assert [v.agreement.code for v in service.versions_of(session, case, Purpose.SIGN)] == ["first", "third"]


def test_who_published_is_in_their_own_chain(session) -> None:
    admin = staff_named(session, "admin")
    version = service.import_version(
        session,
        broker(session),
        code="contract",
        title="合同",
        purpose=Purpose.SIGN,
        businesses=[],
        source=text("合同"),
        source_name="合同.md",
        stamp=stamp(f"staff:{admin.id}"),
    )
    line = session.scalars(select(StaffEvent).where(StaffEvent.staff_id == admin.id)).one()
    assert (line.action, line.subject) == ("agreement_published", "contract")
    assert version.sha256 in line.detail


def test_the_undertaking_is_done_once_it_was_read(session) -> None:
    case = given_case(session)
    assert service.undertaking_done(session, case), "nothing to read, nothing to wait for"
    version = published(session, "undertaking", Purpose.UNDERTAKING)
    assert not service.undertaking_done(session, case)
    read_to_the_end(session, case, version)
    assert service.undertaking_done(session, case)

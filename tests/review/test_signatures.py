"""What the reviewer sees of signatures, and what console verify says of them, comes from the same fresh check."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from console import vault
from console.adapters.ca import DevelopmentAuthority
from console.agreements import signing
from console.cases.transitions import finish_step
from console.db import reading, transaction
from console.verify import verify_all
from tests.agreements.given import Device, at_signing, of, published, read_to_the_end
from tests.review.given import video_of
from tests.world import AT

NOON = AT + timedelta(hours=2)


@pytest.fixture
def case_no(app, tmp_path) -> str:
    """A case with one signed agreement, come to the counter."""
    with transaction() as session:
        version = published(session, "risk")
        case, device = at_signing(session), Device()
        video_of(session, case, "luwenshan")
        certificate = device.enrolled(session, case, DevelopmentAuthority(tmp_path / "ca", vault.current()))
        read_to_the_end(session, case, version)
        offered = signing.offer(session, case, certificate.serial, of(case, NOON))
        signing.answer(session, case, {each.id: device.sign(each.signed_bytes) for each in offered}, of(case, NOON))
        finish_step(case, "signing", of(case, NOON))
        return case.case_no


def test_a_signature_that_holds_is_shown_and_counted(as_staff, case_no) -> None:
    page = as_staff("qinlang").get(f"/review/{case_no}").get_data(as_text=True)
    assert "1 份有效" in page and "《risk》标题 v1" in page and "投资者证书 周晚晴" in page
    with reading() as session:
        report = verify_all(session)
    assert report.sound, report.lines
    assert report.counts["signatures"] == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE signatures SET signed_bytes = :other",
        "UPDATE signatures SET signature = :other",
        "UPDATE certificates SET der = :other",
    ],
)
def test_a_signature_that_was_tampered_with_is_shown_as_invalid_and_named(as_staff, case_no, statement) -> None:
    with transaction() as session:
        session.execute(text(statement), {"other": b"{}"})
    page = as_staff("qinlang").get(f"/review/{case_no}").get_data(as_text=True)
    assert "1 份无效" in page and "份有效" not in page
    with reading() as session:
        faults = verify_all(session).signatures
    assert len(faults) == 1 and f"case {case_no} signature" in str(faults[0])

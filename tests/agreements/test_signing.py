"""Signatures hold for one document, one case, one certificate; everything else is refused; either request may be sent twice."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from console.agreements import signing
from console.agreements.proof import NotRead
from console.agreements.signing import BadSignature, NoCertificate, NotOffered, VersionChanged
from console.businesses.steps import Desk
from console.cases.models import CaseEvent, Reason
from console.cases.transitions import StaleStep, finish_step, reject
from console.certificates.service import revoke
from tests.agreements.given import Device, at_signing, of, published, read_to_the_end, text
from tests.world import AT, stamp

NOON = AT + timedelta(hours=2)


class Story:
    """One case at signing with two documents read, a certificate and its key."""

    def __init__(self, session, ca, name="周晚晴"):
        self.session, self.ca, self.device = session, ca, Device()
        self.case = at_signing(session, name)
        self.versions = [published(session, code) for code in ("contract", "risks")]
        for version in self.versions:
            read_to_the_end(session, self.case, version)
        self.certificate = self.device.enrolled(session, self.case, ca)

    def offer(self, at=NOON):
        return signing.offer(self.session, self.case, self.certificate.serial, of(self.case, at))

    def answer(self, answers, at=NOON):
        return signing.answer(self.session, self.case, answers, of(self.case, at))

    def signed(self, at=NOON):
        return self.answer({each.id: self.device.sign(each.signed_bytes) for each in self.offer(at)}, at)


def reject_signing(story, at) -> None:
    blamed = Reason(
        code="unsigned",
        business_code=story.case.business_code,
        step="signing",
        title="签名",
        investor_text="请重新签署",
        active=True,
    )
    reject(story.case, [blamed], stamp(at=at), desk=Desk.REVIEWER)


@pytest.fixture
def story(session, ca):
    return Story(session, ca)


def test_every_document_is_signed_and_verifies(story) -> None:
    signed = story.signed()
    assert [each.version for each in signed] == story.versions
    assert [signing.verify(each) for each in signed] == [None, None]
    assert signing.missing(story.session, story.case, NOON) == {}
    lines = story.session.scalars(select(CaseEvent).where(CaseEvent.action == "document_signed")).all()
    assert [line.detail["sha256"] for line in lines] == [v.sha256 for v in story.versions]


def test_what_is_signed_names_document_case_certificate_and_nonce(story) -> None:
    first, second = story.offer()
    for part in (story.versions[0].sha256, story.case.case_no, story.certificate.serial, first.nonce):
        assert part.encode() in first.signed_bytes
    assert first.nonce != second.nonce


def test_offering_again_gives_the_same_bytes(story) -> None:
    assert [o.signed_bytes for o in story.offer()] == [o.signed_bytes for o in story.offer(NOON + timedelta(minutes=1))]


def test_a_repeated_answer_has_the_same_result_and_no_second_line(story) -> None:
    offered = story.offer()
    answers = {each.id: story.device.sign(each.signed_bytes) for each in offered}
    once = [each.signature for each in story.answer(answers)]
    assert [each.signature for each in story.answer(answers)] == once
    assert len(story.session.scalars(select(CaseEvent).where(CaseEvent.action == "document_signed")).all()) == 2


def test_a_repeated_answer_is_safe_even_after_the_case_went_on(story) -> None:
    answers = {each.id: story.device.sign(each.signed_bytes) for each in story.offer()}
    story.answer(answers)
    finish_step(story.case, "signing", of(story.case, NOON))
    assert len(story.answer(answers)) == 2


def test_offering_after_all_is_signed_asks_for_nothing(story) -> None:
    story.signed()
    assert story.offer() == []


def test_a_signature_made_for_another_document_is_refused_and_nothing_is_kept(story) -> None:
    first, second = story.offer()
    with pytest.raises(BadSignature), story.session.begin_nested():
        story.answer(
            {first.id: story.device.sign(first.signed_bytes), second.id: story.device.sign(first.signed_bytes)}
        )
    story.session.expire_all()
    assert first.signed_at is None and second.signed_at is None


def test_a_signature_by_another_key_is_refused(story) -> None:
    first, *_ = story.offer()
    with pytest.raises(BadSignature):
        story.answer({first.id: Device().sign(first.signed_bytes)})


@pytest.mark.parametrize("raw", [b"", b"\0" * 64, b"\xff" * 64, b"x" * 63, b"x" * 72])
def test_bytes_that_are_no_signature_are_refused(story, raw) -> None:
    first, *_ = story.offer()
    with pytest.raises(BadSignature):
        story.answer({first.id: raw})


def test_an_offer_of_another_case_cannot_be_answered(story, ca) -> None:
    other = Story(story.session, ca, "许砚青")
    theirs, *_ = other.offer()
    with pytest.raises(NotOffered):
        story.answer({theirs.id: other.device.sign(theirs.signed_bytes)})


def test_another_investors_certificate_is_refused(story, ca) -> None:
    other = Story(story.session, ca, "许砚青")
    with pytest.raises(NoCertificate):
        signing.offer(story.session, story.case, other.certificate.serial, of(story.case, NOON))


@pytest.mark.parametrize("part", ["version", "case", "certificate", "nonce", "bytes", "signature", "text"])
def test_a_signature_spliced_elsewhere_no_longer_verifies(story, ca, part) -> None:
    first, second = story.signed()
    other = Story(story.session, ca, "许砚青")
    theirs, _ = other.signed()
    match part:
        case "version":
            first.version = second.version
        case "case":
            first.case = other.case
        case "certificate":
            first.certificate = Device().enrolled(story.session, story.case, ca, "second phone")
        case "nonce":
            first.nonce = second.nonce + "x"
        case "bytes":
            first.signed_bytes = theirs.signed_bytes
        case "signature":
            first.signature = second.signature
        case "text":
            first.version.html += "<p>另加一条</p>"
    with story.session.no_autoflush:
        assert signing.verify(first) is not None
    story.session.expire_all()


def test_a_revoked_certificate_cannot_sign(story, ca) -> None:
    offered = story.offer()
    revoke(story.session, story.certificate, "forgotten", ca, of(story.case, NOON))
    with pytest.raises(NoCertificate):
        story.answer({each.id: story.device.sign(each.signed_bytes) for each in offered})
    with pytest.raises(NoCertificate):
        story.offer()


def test_an_expired_certificate_cannot_sign(story) -> None:
    with pytest.raises(NoCertificate):
        story.offer(AT + timedelta(days=366))


def test_what_was_signed_before_the_revocation_still_verifies_but_has_to_be_signed_again(story, ca) -> None:
    signed = story.signed()
    revoke(story.session, story.certificate, "forgotten", ca, of(story.case, NOON + timedelta(minutes=1)))
    assert [signing.verify(each) for each in signed] == [None, None]
    later = NOON + timedelta(minutes=5)
    assert len(signing.missing(story.session, story.case, later)) == 2
    story.device = Device()
    story.certificate = story.device.enrolled(story.session, story.case, ca, at=later)
    story.signed(later)
    assert signing.missing(story.session, story.case, later) == {}


def test_a_signature_claimed_after_the_revocation_does_not_verify(story) -> None:
    first, _ = story.signed()
    story.certificate.revoked_at = NOON - timedelta(minutes=1)
    assert "吊销" in (signing.verify(first) or "")


def test_a_text_swapped_between_reading_and_signing_has_to_be_read_again(story) -> None:
    published(story.session, "contract", source=text("contract", 55), at=NOON)
    with pytest.raises(NotRead) as refused:
        story.offer()
    assert "contract" in refused.value.text


def test_a_text_swapped_between_offer_and_answer_is_refused(story) -> None:
    offered = story.offer()
    published(story.session, "contract", source=text("contract", 55), at=NOON)
    with pytest.raises(VersionChanged):
        story.answer({each.id: story.device.sign(each.signed_bytes) for each in offered})


def test_what_is_signed_stays_signed_when_a_new_version_comes_before_handing_in(story) -> None:
    story.signed()
    published(story.session, "contract", source=text("contract", 55), at=NOON + timedelta(seconds=5))
    assert signing.missing(story.session, story.case, NOON + timedelta(seconds=9)) == {}


def test_an_unread_document_is_not_offered(session, ca) -> None:
    case = at_signing(session)
    published(session, "contract")
    certificate = Device().enrolled(session, case, ca)
    with pytest.raises(NotRead):
        signing.offer(session, case, certificate.serial, of(case, NOON))
    assert "请完整阅读" in "".join(signing.missing(session, case, NOON).values())


def test_nothing_is_offered_before_the_case_stands_at_signing(story) -> None:
    finish_step(story.case, "signing", of(story.case, NOON))
    with pytest.raises(StaleStep):
        story.offer()


def test_after_a_rejection_that_reopens_signing_everything_is_signed_again(story) -> None:
    old = story.signed()
    finish_step(story.case, "signing", of(story.case, NOON))
    reject_signing(story, NOON + timedelta(hours=1))
    later = NOON + timedelta(hours=2)
    assert len(signing.missing(story.session, story.case, later)) == 2
    new = story.signed(later)
    assert {each.id for each in new}.isdisjoint({each.id for each in old})
    assert all(each.superseded_at is not None for each in old)
    assert signing.missing(story.session, story.case, later) == {}


def test_an_offer_from_before_the_rejection_is_not_taken_afterwards(story) -> None:
    stale, _ = story.offer()
    finish_step(story.case, "signing", of(story.case, NOON))
    reject_signing(story, NOON + timedelta(hours=1))
    with pytest.raises(NotOffered):
        story.answer({stale.id: story.device.sign(stale.signed_bytes)}, NOON + timedelta(hours=2))

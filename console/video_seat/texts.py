"""发文字: short texts from the witness to the investor's page, kept in the timeline of the call (their words sealed)."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from console import vault
from console.problem import Problem
from console.stamp import Stamp

from . import timeline
from .models import CallEvent, CallEventKind, VideoSession

LONGEST = 120  # characters
MOST, WITHIN = 6, timedelta(seconds=30)
SHOWN = timedelta(seconds=25)  # on the investor's page: the longest is read by then
CONTEXT = "call_event.text"


class NoText(Problem):
    status, code = 422, "no_text"
    text = f"请写要发给投资者的话，1 到 {LONGEST} 个字。"


class TooManyTexts(Problem):
    status, code = 429, "too_many_texts"
    text = f"发得太快了，{int(WITHIN.total_seconds())} 秒内最多 {MOST} 条。请稍等再发，刚才写的还在。"


@dataclass(frozen=True)
class Text:
    """``id`` was made by the page: the same one again is the same text."""

    id: str
    text: str
    at: datetime

    def left(self, now: datetime) -> float:
        """Seconds for which it is still shown."""
        return (self.at + SHOWN - now).total_seconds()


def of(call: VideoSession) -> list[Text]:
    """Every text of the call, oldest first."""
    return [_read(event) for event in call.events if event.kind is CallEventKind.TEXT_SENT]


def shown(call: VideoSession, now: datetime) -> Text | None:
    """What the investor's page shows: the last one, while it is new."""
    return next((text for text in of(call)[-1:] if text.left(now) > 0), None)


def send(session: Session, call: VideoSession, text_id: str, words: str, stamp: Stamp) -> Text:
    """Sent twice counts once. Raises NoText, TooManyTexts. Whoever calls holds the call."""
    sent, said = of(call), " ".join(words.split())
    for text in sent:
        if text.id == text_id:
            return text
    if not said or len(said) > LONGEST:
        raise NoText(len(said))
    if sum(text.at > stamp.at - WITHIN for text in sent) >= MOST:
        raise TooManyTexts
    sealed = b64encode(vault.current().seal(said.encode(), CONTEXT)).decode()
    facts = {"id": text_id, "sealed": sealed, "by": stamp.by}
    timeline.happened(session, call, CallEventKind.TEXT_SENT, stamp.at, timeline.WITNESS, **facts)
    return Text(text_id, said, stamp.at)


def _read(event: CallEvent) -> Text:
    words = vault.current().open(b64decode(event.facts["sealed"]), CONTEXT).decode()
    return Text(event.facts["id"], words, event.at)

"""Evidence files: those that the gate gives to whoever is signed in, in parts when a player asks for parts (RFC 9110, 14)."""

from collections.abc import Iterator
from itertools import chain

from flask import Response, request
from werkzeug.exceptions import NotFound, RequestedRangeNotSatisfiable

from console import runtime
from console.access import evidence_or_404, me, signed_in_only
from console.db import reading
from console.evidence import service, store
from console.evidence.models import Evidence, State, Variant
from console.problem import Problem
from console.vault import VaultError

from . import reveal
from .pictures import clean_copy
from .views import bp


class EvidenceDamaged(Problem):
    """The file is missing or is not what was kept."""

    status, code = 500, "evidence_damaged"
    text = "这份证据文件缺失或已被改动，无法显示。请联系系统管理员核验。"


@bp.get("/evidence/<public_id>")
@signed_in_only
def evidence(public_id: str) -> Response:
    """``variant``: ``original`` (staff only), ``cropped`` (the default: what people look at) or ``thumb``."""
    with reading() as session:
        original = evidence_or_404(session, public_id)
        found = _variant(original, request.args.get("variant", Variant.CROPPED.value))
        looked = found.variant is not Variant.THUMB and reveal.tells(session, original)
    if looked:
        reveal.note_look(public_id)
    try:
        if found.variant is Variant.ORIGINAL and found.media_type.startswith("image/"):
            answer = _whole(runtime.offload(clean_copy, service.clear_bytes(found)), "image/jpeg")
        else:
            answer = _in_parts(found)
    except (VaultError, OSError) as error:
        if service.is_outdated(found):
            raise NotFound from error
        raise EvidenceDamaged(public_id) from error
    answer.headers["Content-Disposition"] = f'inline; filename="{found.kind.value}-{public_id[:8]}"'
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return answer


def _variant(original: Evidence, wanted: str) -> Evidence:
    if wanted not in set(Variant):
        raise NotFound
    if wanted == Variant.ORIGINAL:
        if me().staff is None:
            raise NotFound
        found: Evidence | None = original.variant_of(Variant.UPRIGHT) or original
    else:
        found = original.shown if wanted == Variant.CROPPED else original.variant_of(Variant.THUMB)
    if found is None or found.state is not State.READY:
        raise NotFound
    return found


def _whole(body: bytes, media_type: str) -> Response:
    return Response(body, mimetype=media_type)


def _in_parts(found: Evidence) -> Response:
    """206 with the part that is asked for, 416 when there is none such; who asks for several gets the whole (RFC 9110)."""
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        answer = Response(_bytes(found, 0, found.size), mimetype=found.media_type)
        answer.content_length = found.size
    else:
        span = asked.range_for_length(found.size)
        if span is None:
            raise RequestedRangeNotSatisfiable(found.size)
        start, stop = span
        answer = Response(_bytes(found, start, stop - start), 206, mimetype=found.media_type)
        answer.content_length = stop - start
        answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.size}"
    answer.headers["Accept-Ranges"] = "bytes"
    return answer


def _bytes(found: Evidence, start: int, length: int) -> Iterator[bytes]:
    """The first piece is opened before the answer begins: damage there is an error page, not a torn file."""
    pieces = store.current().read(found.path, found.size, start, length)
    return chain([next(pieces, b"")], pieces)

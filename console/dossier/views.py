"""导出卷宗: the whole case as a file, for a reason, and the trail says who took it."""

from collections.abc import Iterator

from flask import Blueprint, current_app
from werkzeug.wrappers import Response

from console import runtime
from console.access import case_or_404, staff_only, stamp
from console.db import reading, transaction
from console.people.models import Role
from console.why import reason_given

from .export import pieces_of, say_made

bp = Blueprint("dossier", __name__)


@bp.post("/review/<case_no>/dossier")
@staff_only(Role.REVIEWER, Role.SUPERVISOR)
def export(case_no: str) -> Response:
    """The ZIP, sent while it is made. The line of the trail comes first: a dossier holds the line of its own making."""
    mark = stamp()
    with transaction() as session:
        found = case_or_404(session, case_no)
        say_made(found, mark, reason_given("导出"))
    with reading() as session:
        pieces = pieces_of(session, case_or_404(session, case_no), current_app.extensions["settings"], mark)
    answer = Response(_others_too(pieces), mimetype="application/zip")
    answer.headers["Content-Disposition"] = f'attachment; filename="dossier-{case_no}.zip"'
    return answer


def _others_too(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Hundreds of megabytes are decrypted here: between two pieces everybody else has a turn."""
    for piece in pieces:
        yield piece
        runtime.sleep(0)

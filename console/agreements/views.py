"""协议: the register of texts, importing a new version, looking at any version."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console.access import my_staff, staff_only, stamp
from console.db import reading, transaction
from console.people.models import Broker, Role
from console.problem import Problem

from . import importing, service
from .forms import ImportForm
from .models import PURPOSE_TITLES, Agreement, AgreementVersion, Purpose, Reading, Signature

bp = Blueprint("agreements", __name__)


@bp.get("/agreements")
@staff_only(Role.ADMIN)
def index() -> str:
    with reading() as look:
        return _index(look, ImportForm(request.args, meta={"csrf": False}), [])


@bp.post("/agreements")
@staff_only(Role.ADMIN)
def publish() -> Response | str | tuple[str, int]:
    """Import the uploaded file as the version in force."""
    form = ImportForm()
    if not form.validate_on_submit():
        with reading() as look:
            return _index(look, form, []), 422
    try:
        with transaction() as session:
            version = service.import_version(
                session,
                session.get_one(Broker, my_staff().broker_id),
                code=form.code.data.strip(),
                title=form.title.data.strip(),
                purpose=Purpose(form.purpose.data),
                businesses=form.businesses.data or [],
                source=form.file.data.read(importing.MOST_BYTES + 1),
                source_name=form.file.data.filename,
                stamp=(mark := stamp()),
                position=form.position.data or 0,
            )
            said = "已生效" if version.published_at == mark.at else "内容未变，没有产生新版本"
            flash(f"《{version.agreement.title}》v{version.number} {said}。", "ok")
            return redirect(url_for("agreements.version", version_id=version.id))
    except (importing.BadFile, service.BadRegister) as problem:
        with reading() as look:
            return _index(look, form, [problem]), 422


@bp.get("/agreements/<int:version_id>")
@staff_only()
def version(version_id: int) -> str:
    """One version as investors read it, with how many read and signed it."""
    with reading() as look:
        found = look.get(AgreementVersion, version_id)
        if found is None or found.agreement.broker_id != my_staff().broker_id:
            raise NotFound
        return render_template(
            "agreements/version.html",
            version=found,
            text=Markup(found.html),
            characters=importing.characters(found.html),
            pages=len(importing.pages(found.html)),
            purposes=PURPOSE_TITLES,
            read=_count(look, Reading, Reading.finished_at.is_not(None), found),
            signed=_count(look, Signature, Signature.signed_at.is_not(None), found),
        )


def _index(look: Session, form: ImportForm, problems: list[Problem]) -> str:
    agreements = look.scalars(
        select(Agreement)
        .where(Agreement.broker_id == my_staff().broker_id)
        .options(selectinload(Agreement.versions))
        .order_by(Agreement.position, Agreement.id)
    ).all()
    return render_template(
        "agreements/index.html",
        agreements=[(each, service.in_force(each)) for each in agreements],
        form=form,
        problems=problems,
        purposes=PURPOSE_TITLES,
    )


def _count(look: Session, table: type, condition: object, found: AgreementVersion) -> int:
    query = select(func.count()).select_from(table).where(table.version_id == found.id, condition)  # type: ignore[attr-defined,arg-type]
    return look.scalar(query) or 0

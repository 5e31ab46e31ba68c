"""A reason that somebody has to give before they see or take personal data; the trail keeps it."""

from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from console.problem import Problem


class NoReason(Problem):
    status, code = 422, "no_reason"


class ReasonForm(FlaskForm):
    """Read from a form or from JSON {reason}."""

    reason = StringField(
        filters=[lambda text: text.strip() if text else text], validators=[InputRequired(), Length(4, 100)]
    )


def reason_given(what: str) -> str:
    """What the request gives as its reason for ``what`` (查看, 导出). Raises NoReason."""
    form = ReasonForm()
    if not form.validate():
        raise NoReason(text=f"请填写{what}事由，4 到 100 个字。事由会写入留痕。")
    return str(form.reason.data)

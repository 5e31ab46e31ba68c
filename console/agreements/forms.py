"""What an admin fills in to import a text."""

from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import IntegerField, SelectChoice, SelectField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from console.businesses import BUSINESSES

from .models import PURPOSE_TITLES, Purpose


class ImportForm(FlaskForm):
    file = FileField("文件", validators=[FileRequired("请选择要导入的文件。")])
    code = StringField(
        "代码",
        validators=[InputRequired("请填写代码。"), Length(2, 40, "代码 2 到 40 个字符。")],
        description="同一代码再次导入即为新版本",
    )
    title = StringField("标题", validators=[InputRequired("请填写标题。"), Length(1, 80, "标题最长 80 个字。")])
    purpose = SelectField(
        "用途",
        choices=[SelectChoice(each.value, PURPOSE_TITLES[each]) for each in Purpose],
        validators=[InputRequired("请选择用途。")],
    )
    businesses = SelectMultipleField(
        "业务",
        choices=[SelectChoice(code, business.title) for code, business in BUSINESSES.items()],
        description="不选即用于全部业务",
    )
    position = IntegerField("顺序", default=0, validators=[Optional(), NumberRange(0, 999, "顺序是 0 到 999 的整数。")])

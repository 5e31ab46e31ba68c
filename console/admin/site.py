"""The registers that there are, and their place in the application."""

from flask import Flask
from flask_admin import Admin
from flask_babel import Babel

from console.access import Access, grant_blueprint
from console.people.models import Role

from .base import Home
from .branches import Branches
from .calendar import Holidays, Rosters
from .overflow import Overflows
from .people import People
from .questions import Questions, ShortReasons, Versions
from .rules import Agreements, Reasons
from .session import thrown_away_with_the_request

ADMINS = Access("staff", frozenset({Role.ADMIN}))


def build(app: Flask) -> None:
    thrown_away_with_the_request(app)
    Babel(app, default_locale="zh_Hans_CN")  # what Flask-Admin says by itself
    registers = [Branches(), People(), Reasons(), Versions(), Questions(), ShortReasons(), Agreements()]
    registers += [Rosters(), Holidays(), Overflows()]
    app.extensions["registers"] = registers
    admin = Admin(app, name="登记", index_view=Home(name="登记", endpoint="admin", url="/admin"))
    for register in registers:
        admin.add_view(register)
    for view in (admin.index_view, *registers):
        grant_blueprint(app, view.endpoint, ADMINS)

"""The one blueprint of the investor's side; every module of the portal hangs its views on it."""

from flask import Blueprint

bp = Blueprint("portal", __name__)

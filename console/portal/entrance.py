from flask import Blueprint

bp = Blueprint("entrance", __name__)

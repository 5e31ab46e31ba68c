from flask import Blueprint

bp = Blueprint("video_seat", __name__)

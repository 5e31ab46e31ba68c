"""Scripts, styles and pictures under an address that names their content: fetched once, asked about never again.

The mark stands in the path, so that what a module imports beside itself (``./http.js``) has it too.
"""

from functools import cache
from hashlib import blake2b
from pathlib import Path

from flask import Flask, send_from_directory
from werkzeug.wrappers import Response

from console import access

FOLDER = Path(__file__).parent / "static"
A_YEAR = 365 * 24 * 3600  # seconds


@cache
def mark() -> str:
    """Of everything in the folder, as this process found it when it began; 16 hex digits."""
    sum_ = blake2b(digest_size=8)
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            sum_.update(f"{path.relative_to(FOLDER)}\0{path.stat().st_size}\0".encode())
            sum_.update(path.read_bytes())
    return sum_.hexdigest()


def register(app: Flask) -> None:
    @app.get("/static/<version>/<path:filename>", endpoint="static")
    @access.public
    def static_file(version: str, filename: str) -> Response:
        response = send_from_directory(FOLDER, filename)
        if version == mark():
            response.cache_control.no_cache = None
            response.cache_control.public = response.cache_control.immutable = True
            response.cache_control.max_age = A_YEAR
        return response  # a page from before the last release gets today's file, and asks again each time

    @app.url_defaults
    def of_today(endpoint: str, values: dict[str, object]) -> None:
        if endpoint == "static":
            values.setdefault("version", mark())

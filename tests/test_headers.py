"""What every answer tells the browser, and what only one over https tells it."""

from dataclasses import replace

import pytest

from console.app import create_app
from console.config import Settings


@pytest.mark.parametrize(
    ("address", "cookie", "strict"),
    [("https://desk.example.com", "__Host-desk", True), ("http://127.0.0.1:8000", "desk", False)],
)
def test_over_https_browsers_are_told_to_stay_there(world: Settings, address: str, cookie: str, strict: bool) -> None:
    app = create_app(replace(world, public_url=address), many_processes=False)
    answer = app.test_client().get("/desk/sign-in", base_url=address)
    assert answer.status_code == 200
    assert ("Strict-Transport-Security" in answer.headers) is strict
    assert answer.headers["Set-Cookie"].startswith(f"{cookie}=")
    assert ("Secure" in answer.headers["Set-Cookie"]) is strict


def test_every_answer_says_what_a_page_may_do(world: Settings) -> None:
    client = create_app(world, many_processes=False).test_client()
    for address in ("/", "/nothing-here", "/healthz"):
        headers = client.get(address).headers
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"

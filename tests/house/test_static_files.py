"""Scripts and styles are fetched once: their address names their content."""

import re

from flask import Flask
from sqlalchemy import event

from console import db, static_files


def test_what_a_page_names_may_be_kept_for_good(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/", headers={"Accept": "text/html"}).get_data(as_text=True)
    named = set(re.findall(r'(?:src|href|content)="(/static/[^"#]+)', page))
    assert len(named) > 5
    for address in named:
        answer = client.get(address, buffered=True)
        assert answer.status_code == 200, address
        assert answer.cache_control.immutable and answer.cache_control.max_age >= 365 * 24 * 3600, address
        assert "Set-Cookie" not in answer.headers


def test_a_page_of_before_a_release_gets_todays_file_and_asks_again(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/static/0123456789abcdef/js/http.js", buffered=True)
    assert answer.status_code == 200 and not answer.cache_control.immutable and answer.cache_control.no_cache
    assert answer.headers["ETag"]


def test_nothing_outside_the_folder_is_served(app: Flask) -> None:
    client = app.test_client()
    for path in ("../app.py", "..%2fapp.py", "js/../../app.py", "nothing.js", "js"):
        assert client.get(f"/static/{static_files.mark()}/{path}").status_code == 404


def test_a_file_costs_no_question_to_the_database(app: Flask, as_staff) -> None:
    client = as_staff("luwenshan")
    asked: list[str] = []
    event.listen(db.engine(writes=False), "before_cursor_execute", lambda *a: asked.append(a[2]))
    client.get("/healthz")
    assert asked
    asked.clear()
    assert client.get(f"/static/{static_files.mark()}/js/http.js", buffered=True).status_code == 200
    assert asked == []

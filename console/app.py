"""Put the house together: settings in, a Flask application out."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
import socketio as python_socketio
import structlog
from flask import Flask, jsonify, render_template, request
from flask_wtf.csrf import CSRFError
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, TimeoutError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from console import (
    access,
    admin,
    agreements,
    board,
    counter,
    db,
    desk,
    dossier,
    jobs,
    live,
    models,
    portal,
    quality,
    reactions,
    review,
    runtime,
    static_files,
    vault,
    video_seat,
)
from console.config import Settings, kept_secret
from console.evidence import store
from console.evidence.store import EvidenceStore
from console.problem import Problem
from console.queues import news
from console.screens import register_filters
from console.vault import Vault

__all__ = ["create_app", "models", "open_house", "reactions"]

MAX_REQUEST = 40 * 1024 * 1024  # bytes: one photo of a modern phone with room to spare
MOST_TO_REDIS, REDIS_PATIENCE = 64, 10  # connections of a process; seconds until one comes free
PAGES = (400, 403, 404, 409, 413, 422, 429, 500, 503)  # templates/errors/
SAID = {413: "文件太大，没有上传。请用普通拍照模式重新拍照，或换一张照片。"}
POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "object-src": "'none'",
}


def open_house(settings: Settings) -> redis.Redis:
    """Open what every process needs: database, vault, evidence store, job queue. Returns the Redis client."""
    log_plainly(settings)
    keeper = Vault(kept_secret(settings.master_key_path))
    vault.use(keeper)
    db.connect(settings.database_url)
    store.use(EvidenceStore(settings.evidence_dir, keeper))
    client = redis.Redis.from_pool(
        redis.BlockingConnectionPool.from_url(
            settings.redis_url,
            max_connections=MOST_TO_REDIS,  # thousands of sockets lost at once wait for each other here
            timeout=REDIS_PATIENCE,
            retry=Retry(NoBackoff(), 0),  # away is said at once, never waited for
        )
    )
    jobs.connect(client)
    review.listen()
    counter.listen()
    quality.listen(settings.blind_share)
    return client


def create_app(settings: Settings, *, many_processes: bool = True) -> Flask:
    """``many_processes``: push through Redis, so that the worker and other web processes are heard; without, in this process only."""
    app = Flask("console", static_folder=None, template_folder=str(Path(__file__).parent.parent / "templates"))
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_REQUEST,
        SESSION_COOKIE_NAME="__Host-desk" if settings.cookie_secure else "desk",
        SESSION_COOKIE_SECURE=settings.cookie_secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_I18N_ENABLED=False,
    )
    app.extensions["settings"] = settings
    app.extensions["redis"] = open_house(settings)
    access.csrf.init_app(app)
    access.guard(app)
    register_filters(app)
    for part in (static_files, desk, portal, video_seat, board, review, counter, dossier, quality, agreements, admin):
        part.register(app)
    _answer_problems(app)
    _add_headers(app, settings)
    _add_health(app)
    manager = python_socketio.RedisManager(settings.redis_url) if many_processes else None
    if many_processes:
        news.keep_pace(app.extensions["redis"])
    live.socketio.init_app(
        app,
        async_mode=runtime.async_mode(),
        cors_allowed_origins=list(settings.allowed_origins),
        client_manager=manager,
        transports=["websocket"],
        manage_session=True,
        max_http_buffer_size=256 * 1024,
    )
    if settings.proxies:  # around everything: Socket.IO answers before Flask sees a request
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies)  # type: ignore[method-assign]
    return app


def log_plainly(settings: Settings) -> None:
    """Structured lines on stderr; values of personal data never get here because nobody passes them."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(),
    )


def wants_json() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _answer_problems(app: Flask) -> None:
    """Every way a request can fail becomes one page, or one JSON object {error, code}, here and nowhere else."""

    def page(status: int, told: str | None, code: str) -> tuple[Any, int]:
        if wants_json():
            return jsonify(error=told or SAID.get(status, "请求没有完成。"), code=code), status
        known = status if status in PAGES else (400 if status < 500 else 500)
        return render_template(f"errors/{known}.html", told=told), status

    @app.errorhandler(Problem)
    def problem(error: Problem) -> tuple[Any, int]:
        return page(error.status, error.text, error.code)

    @app.errorhandler(StaleDataError)
    def stale(error: StaleDataError) -> tuple[Any, int]:
        return page(409, None, "stale")

    @app.errorhandler(TimeoutError)  # no connection came free
    @app.errorhandler(OperationalError)
    def away(error: OperationalError | TimeoutError) -> tuple[Any, int]:
        structlog.get_logger().error("database_away", error=type(getattr(error, "orig", error)).__name__)
        return page(503, "系统暂时繁忙，您的操作没有保存，请稍后再试。", "database_away")

    @app.errorhandler(CSRFError)
    def forged(error: CSRFError) -> tuple[Any, int]:
        return page(400, "页面已过期，请刷新后再提交。已保存的内容都在。", "csrf")

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> tuple[Any, int] | Response:
        if error.code is not None and error.code < 400:
            return error.get_response()
        return page(error.code or 500, None, str(error.code))


def _add_headers(app: Flask, settings: Settings) -> None:
    policy = "; ".join(f"{name} {value}" for name, value in POLICY.items())

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        if settings.cookie_secure:
            response.headers["Strict-Transport-Security"] = (
                f"max-age={static_files.A_YEAR}"  # RFC 6797; subdomains are not ours to decide on
            )
        response.headers["Permissions-Policy"] = "camera=(self), microphone=(self), geolocation=()"
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _add_health(app: Flask) -> None:
    @app.get("/healthz")
    @access.public
    def healthz() -> tuple[Any, int]:
        with db.reading() as session:
            session.execute(text("SELECT 1"))
        return jsonify(ok=True, at=datetime.now(UTC).isoformat()), 200

"""Whether somebody's page is open, whichever web process holds its socket. Kept in Redis; a killed process's pages count no more."""

import secrets

import structlog
from redis import Redis
from redis.exceptions import RedisError

PROCESS = secrets.token_hex(6)
PROCESS_LIVES = 15  # seconds after its last sign of life
KEPT = 24 * 3600  # seconds
log = structlog.get_logger()
here: dict[str, set[str]] = {}  # the open sockets of this process, by whose they are: Redis may forget them


def of_case(case_no: str) -> str:
    return f"case:{case_no}"


def of_staff(staff_id: int) -> str:
    return f"staff:{staff_id}"


def arrived(redis: Redis, who: str, socket_id: str) -> None:
    """A page of ``who`` opened its socket. Without Redis nobody is counted: the line alone tells then."""
    here.setdefault(who, set()).add(socket_id)
    try:
        _tell(redis, who)
    except RedisError as error:
        log.warning("presence_lost", error=type(error).__name__)


def left(redis: Redis, who: str, socket_id: str) -> None:
    if not (others := here.get(who, set()) - {socket_id}):
        here.pop(who, None)
    else:
        here[who] = others
    try:
        redis.hdel(_key(who), f"{PROCESS}/{socket_id}")
    except RedisError as error:
        log.warning("presence_lost", error=type(error).__name__)


def still_here(redis: Redis) -> None:
    """This process lives, and with it the sockets it holds; a Redis that was emptied is told of them anew. Raises RedisError."""
    key = f"presence:process:{PROCESS}"
    if not redis.exists(key):
        for who in list(here):
            _tell(redis, who)
    redis.set(key, 1, ex=PROCESS_LIVES)


def _tell(redis: Redis, who: str) -> None:
    if sockets := here.get(who):
        redis.hset(_key(who), mapping={f"{PROCESS}/{socket_id}": "1" for socket_id in sockets})
        redis.expire(_key(who), KEPT)


def there(redis: Redis, who: str) -> bool | None:
    """Whether a page of ``who`` is open; None when there never was one. Raises RedisError."""
    sockets = [_text(name) for name in redis.hkeys(_key(who))]
    processes = {name.partition("/")[0] for name in sockets}
    if not processes:
        return None
    return PROCESS in processes or bool(redis.exists(*(f"presence:process:{each}" for each in processes)))


def _key(who: str) -> str:
    return f"presence:{who}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value

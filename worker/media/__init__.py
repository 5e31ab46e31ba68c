"""The media node: one asyncio process that forwards and records the encoded packets of video calls.

It never touches the database. Commands come over Redis, finished recordings leave as RQ jobs (see `commands` and
`announce`). Importing this package changes nothing elsewhere: only `stubs.install()`, called by a node process at
start, patches aiortc.
"""

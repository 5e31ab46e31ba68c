"""Is the file all there? Read from the file's own structure, without decoding a pixel.

JPEG: ITU-T T.81 annex B; PNG: RFC 2083 section 3; WebP: RIFF header; HEIC: ISO base media file format boxes (ISO/IEC 14496-12).
A damaged body inside a whole file is found later, by the job that decodes it in a confined process.
"""


def is_whole(image: bytes, media_type: str) -> bool:
    """Whether the file ends where its structure says; True for a type that is not known here."""
    judge = {"image/jpeg": _jpeg, "image/png": _png, "image/webp": _webp, "image/heic": _boxes}.get(media_type)
    return judge is None or judge(image)


def _jpeg(image: bytes) -> bool:
    """Past the header segments (a thumbnail in them has an end marker of its own) an end marker follows the scan."""
    at = 2
    while at + 4 <= len(image) and image[at] == 0xFF:
        marker = image[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xDA:  # start of scan
            return image.find(b"\xff\xd9", at) >= 0
        at += 2 + int.from_bytes(image[at + 2 : at + 4], "big")
    return False


def _png(image: bytes) -> bool:
    at = 8
    while at + 12 <= len(image):
        length = int.from_bytes(image[at : at + 4], "big")
        if image[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + length
    return False


def _webp(image: bytes) -> bool:
    return len(image) >= 8 + int.from_bytes(image[4:8], "little")


def _boxes(image: bytes) -> bool:
    at = 0
    while at + 8 <= len(image):
        size = int.from_bytes(image[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(image[at + 8 : at + 16], "big")
        if size == 0:  # to the end of the file
            return True
        if size < 8:
            return False
        at += size
    return at == len(image)

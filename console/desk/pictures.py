"""A picture as people may see it: nothing of its file but the pixels (TRUST 11: no EXIF is ever served)."""

from io import BytesIO

from PIL import Image, ImageOps

LONGEST_SIDE = 3200  # pixels: enough to read the smallest print of a card


def clean_copy(original: bytes) -> bytes:
    """``original`` upright, encoded anew as JPEG, no larger than LONGEST_SIDE. CPU: call through ``runtime.offload``."""
    with Image.open(BytesIO(original)) as opened:
        opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    bare = Image.new("RGB", picture.size)
    bare.paste(picture)
    out = BytesIO()
    bare.save(out, "JPEG", quality=90)
    return out.getvalue()

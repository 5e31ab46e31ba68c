"""What may be kept as a photo at all, and how a refused one is explained: the same words for every page that takes photos."""

from typing import BinaryIO

from console.problem import Problem

from .heads import Head, Unusable, read_head

MOST_BYTES = 32 * 1024 * 1024


# what is wrong, and how to mend it
PROBLEMS = {
    "missing": ("没有收到照片", "请重新选择或拍摄一张照片。"),
    "several": ("一次只能上传一张照片", "请一张一张地上传。"),
    "empty": ("照片文件是空的", "请重新拍照，或换一张照片上传。"),
    "unreadable": ("这不是照片，或者已经损坏", "请上传 JPG、PNG、WEBP 或 HEIC 格式的照片。"),
    "truncated": ("照片没有传完整", "文件不完整，可能在保存或传送时中断了。请重新拍照后再上传。"),
    "too_large": ("照片尺寸太大", "请用普通拍照模式（4000 万像素以内）重新拍照。"),
    "too_heavy": ("照片文件太大", "请上传 32 MB 以内的照片。"),
    "too_small": ("照片太小或拍得太远", "看不清文字。请靠近拍摄，让证件占满画面的大部分。"),
    "odd_shape": ("照片太长或太窄", "请用普通拍照模式重新拍照，不要用全景照片或长截图。"),
    "blurred": ("照片模糊", "请拿稳手机，对焦清楚、光线充足时重新拍照。"),
    "no_document": ("没有找到证件", "请把证件放平，四角都拍进画面，背景与证件颜色反差大一些。"),
}
# what the investor may want to look at again; the photo counts all the same
WARNINGS = {
    "over_crop": (
        "切边过多，边角缺失",
        "证件边角没有拍全，或与背景颜色太接近。请放在颜色反差大的桌面上重新拍照，或恢复原图。",
    ),
    "low_contrast": ("证件与背景颜色太接近", "没有切边，后台可能审核不通过。请放在深色桌面上重新拍照。"),
}


class BadPhoto(Problem):
    """``code`` is a key of PROBLEMS."""

    status = 422

    def __init__(self, code: str):
        what, mend = PROBLEMS[code]
        super().__init__(code, text=f"{what}。{mend}")
        self.code = code  # type: ignore[misc]


def check_upload(stream: BinaryIO) -> Head:
    """Judge an upload by its head and its structure, without decoding it. Leaves the stream at its beginning. Raises BadPhoto."""
    image = stream.read(MOST_BYTES + 1)
    stream.seek(0)
    if len(image) > MOST_BYTES:
        raise BadPhoto("too_heavy")
    try:
        return read_head(image)
    except Unusable as unusable:
        raise BadPhoto(unusable.problem) from unusable

"""What staff write at the seat. Nothing of it is ever cut: what is too long is refused, and says by how much."""

from console.problem import Problem

REMARK, NOTE, WORDS = 200, 400, 200  # characters: to the investor; 备注 and what a supervisor reads; about one field


class TooLong(Problem):
    """``field``: the name of the form's field."""

    status, code = 422, "too_long"

    def __init__(self, field: str, title: str, longest: int, length: int):
        over = length - longest
        super().__init__(field, text=f"{title}最多 {longest} 个字，现在 {length} 个，请删去 {over} 个字后再提交。")
        self.field = field


def written(text: str, longest: int, field: str, title: str) -> str:
    """``text`` as it is kept: without blanks around it, each line end one character as the page counts it. Raises TooLong."""
    kept = text.replace("\r\n", "\n").strip()
    if len(kept) > longest:
        raise TooLong(field, title, longest, len(kept))
    return kept

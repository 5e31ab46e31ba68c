"""What a service raises when it cannot do what it was asked: said in the user's language, turned into an answer in one place."""

from typing import ClassVar


class Problem(Exception):
    """``status`` is the HTTP status; ``code`` what scripts look at; ``text`` says what is wrong, how to go on and what is kept."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "problem"
    text: str = "这次操作没有生效，请稍后再试。"

    def __init__(self, *args: object, text: str | None = None):
        super().__init__(*args)
        if text is not None:
            self.text = text


class BadPayload(Problem):
    """What a page's script sent is not what one of our pages sends: an old page, or no page of ours."""

    status, code = 422, "bad_payload"
    text = "页面发来的内容无法识别，请刷新页面后重试。"


class NotThere(Problem):
    """What is not granted reads like what does not exist."""

    status, code = 404, "404"
    text = "没有找到，或者您没有权限。"

"""What callers of the API are told who may not call."""

from schemas.language import Text

NO_TOKEN = Text(
    "expected a valid token in the header: Authorization: Bearer TOKEN",
    "请求头须带有效令牌：Authorization: Bearer 令牌",
)


TOO_OFTEN = Text("more requests than the hub answers to one user; ask again later", "请求过于频繁，请稍后再试")

"""What short words of the contract look like: ids, codes and numbers of documents."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Shape:
    """What a short word looks like, and how a caller is told.

    Attributes:
        must, zh: What the word must be, in English and Chinese.
    """

    pattern: re.Pattern[str]
    must: str
    zh: str


ID: Final = Shape(
    re.compile(r"[a-z][a-z0-9_]{0,63}\Z"),
    "must be lower-case letters, digits and `_`, beginning with a letter",
    "应由小写字母、数字和下划线组成，以字母开头",
)
KEY: Final = Shape(
    re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,79}\Z"),
    "must be letters, digits, `_` and `.`, e.g. `applicant.birth_date`",
    "应由字母、数字、下划线和点组成，如 applicant.birth_date",
)
DOCUMENT_KIND: Final = Shape(
    re.compile(r"[a-z][a-z0-9_]{0,39}\Z"),
    "must be lower-case letters, digits and `_`, e.g. `resident_id`",
    "应由小写字母、数字和下划线组成，如 resident_id",
)
CASE: Final = Shape(
    re.compile(r"[0-9a-f]{32}\Z"),
    "must be the 32 hexadecimal digits that this service gave the case",
    "应为本系统给出的32位十六进制办件标识",
)
CASE_OR_NUMBER: Final = Shape(
    re.compile(r"([0-9a-f]{32}|[0-9]{8}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4})\Z"),
    "must be the 32 hexadecimal digits that this service gave the case, or its number as notices"
    " have it, e.g. `20261124-7K3M-9QXW`",
    "应为本系统给出的32位十六进制办件标识，或通知书上的办件编号，如 20261124-7K3M-9QXW",
)
OFFER: Final = Shape(
    CASE.pattern,
    "must be the 32 hexadecimal digits that this service gave the offer",
    "应为本系统给出的32位十六进制告知编号",
)
UUID4: Final = Shape(
    re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z"),
    "must be a UUID4, a new one for every new request",
    "应为 UUID4，每个新请求使用新的编号",
)
CODE: Final = Shape(
    re.compile(r"[A-Za-z0-9_.\-]{1,64}\Z"),
    "must be at most 64 letters, digits, `_`, `.` and `-`, e.g. `2026-01`",
    "应由不超过64个字母、数字、下划线、点和连字符组成，如 2026-01",
)
UNSEEN: Final = (
    r"\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f"
)
"""Characters without a face: controls, joiners, marks of direction, tags. What cannot be seen must
not tell two numbers apart."""

PRINTED: Final = Shape(
    re.compile(rf"[^\s{UNSEEN}]{{1,64}}\Z"),
    "must be at most 64 characters as printed, without blanks",
    "应为不超过64个字符的印刷原样，不含空格",
)

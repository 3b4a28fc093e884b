"""What a person types as an answer is read by the form's own schema."""

import json
from datetime import date
from decimal import Decimal

import pytest

from decision_service.cli.answers import AnswerError, read_answers
from decision_service.model import Value

FORM = json.dumps(
    {
        "properties": {
            "mobile": {"title": "手机 | mobile", "type": "string", "pattern": "^1[0-9]{10}$"},
            "truthful": {"title": "属实 | true", "const": True},
            "retired": {"title": "退休 | ret.", "type": "boolean"},
            "income": {"title": "收入 | income", "type": "string", "x-scale": 2},
            "since": {"title": "自 | since", "type": "string", "format": "date"},
        }
    }
)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("mobile=13800000000", "13800000000"),
        ("mobile=a=b", "a=b"),
        ("mobile=", ""),
        ("truthful=true", True),
        ("truthful=是", True),
        ("retired=No", False),
        ("income=200.00", Decimal("200.00")),
        ("since=2026-02-28", date(2026, 2, 28)),
    ],
)
def test_an_answer_is_of_the_kind_that_its_field_has(typed: str, value: Value) -> None:
    (read,) = read_answers([typed], FORM).values()

    assert (type(read), str(read)) == (type(value), str(value))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["mobile"], "“mobile”应写成 key=value | `mobile` must be key=value"),
        (["mobile=1", "mobile=2"], "“mobile”填了两次 | `mobile` comes twice"),
        (
            ["age=3"],
            (
                "表单没有“age”，可填：mobile, truthful, retired, income, since"
                " | the form has no `age`; it has mobile, truthful, retired, income, since"
            ),
        ),
        (
            ["retired=maybe"],
            "“retired”（退休 | ret.）不能是“maybe” | `retired` (退休 | ret.) cannot be `maybe`",
        ),
        (
            ["income=much"],
            "“income”（收入 | income）不能是“much” | `income` (收入 | income) cannot be `much`",
        ),
        (
            ["since=2026-02-30"],
            "“since”（自 | since）不能是“2026-02-30” | `since` (自 | since) cannot be `2026-02-30`",
        ),
    ],
)
def test_a_slip_is_told_to_whoever_typed_it(typed: list[str], message: str) -> None:
    with pytest.raises(AnswerError) as caught:
        read_answers(typed, FORM)

    assert str(caught.value) == message

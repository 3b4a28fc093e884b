"""The public guide of a matter says what its rule file says, and no word of it becomes markup."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from decision_service.cli.rules import app
from decision_service.rulebook import document, guide

SOUND = (Path(__file__).parent / "rule_mistakes" / "sound.rules.md").read_text(encoding="utf-8")


def test_the_guide_has_everything_an_applicant_asks_in_both_languages() -> None:
    written = guide.as_markdown(document.read(SOUND, where="draft.rules.md"))

    assert written.startswith(
        "# 租房补贴办事指南 | Rent subsidy: guide\n\n"
        "主管：住房局；自 2024-07-01 起施行。\n"
        "Competent authority: housing bureau; in force from 2024-07-01.\n"
    )
    assert "1. **工作满六个月 | At work for six months**（L1）" in written
    assert "   不符合时不予批准，无法确认时转人工办理。" in written
    assert "   If it is not met, you are asked to correct it; if it cannot be" in written
    assert "| 月租金 | monthly rent | 元 |" in written
    assert "| 学历 | education | education\\_register |" in written
    assert "| 月补贴 | monthly subsidy | 元 |" in written
    assert '| 2 | (学历 = "本科" 并且 工作月数 \\>= 24) | 600.00 | 24 |' in written
    law = "补贴按学历和满月数发放。 | It depends on education and months."
    assert f"| L2 | 租房补贴办法（示例） | 第五条 | {law} |" in written


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  # as it is called
        self.seen.add(tag)

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("<script>alert(1)</script>", id="a script"),
        pytest.param("<img src=x onerror=alert(1)>", id="an image"),
        pytest.param("[here](javascript:alert(1))", id="a link"),
        pytest.param("![x](http://elsewhere.example/x.png)", id="a picture from elsewhere"),
        pytest.param("`code` *bold* _slanted_ # heading", id="signs of Markdown"),
    ],
)
def test_no_word_of_the_file_becomes_markup(words: str) -> None:
    text = SOUND.replace("Employees who rent here may apply.", "x").replace("职工可以申请", words)
    text = text.replace("At work for six months", words).replace("住房局 |", f"{words} |")

    page = Tags(guide.as_html(document.read(text, where="draft.rules.md")))

    assert page.seen <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "ol", "li",
        "strong", "br", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert page.said.count(words) == 3  # the authority, the name of R1, the excerpt


def test_the_command_writes_either_form(tmp_path: Path) -> None:
    file = tmp_path / "draft.rules.md"
    file.write_text(SOUND, encoding="utf-8")
    run = CliRunner().invoke

    assert run(app, ["doc", str(file)]).output.startswith("# 租房补贴办事指南")
    assert run(app, ["doc", str(file), "--html"]).output.startswith("<!DOCTYPE html>")
    file.write_text(SOUND.replace("工作月数 >= 6", "工作月数 == 6"), encoding="utf-8")
    assert run(app, ["doc", str(file)]).exit_code == 1

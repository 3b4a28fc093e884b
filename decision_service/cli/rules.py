"""`miaopi rules`: what policy staff run on their rule files; needs no service."""

import json as jsonlib
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from decision_service import catalogue
from decision_service.cli import show
from decision_service.errors import InvalidPublicationError
from decision_service.judge import display
from decision_service.model import Facts
from decision_service.release import Release
from decision_service.rulebook import interpret, scenarios
from decision_service.rulebook.document import read
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.tree import Finding, NotKnown, Rulebook, RuleFileError
from evidence_adapters import registry

app = typer.Typer(
    help="规则文件 | Check, test and explain rule files; needs no service.", no_args_is_help=True
)

Files = Annotated[
    list[Path] | None,
    typer.Argument(help="规则文件或文件夹，默认 rules/ | Files or folders, by default rules/."),
]
Json = Annotated[bool, typer.Option("--json", help="输出 JSON | Print JSON, one line a finding.")]
City = Annotated[Path, typer.Option(help="城市文件夹 | The folder with rules/ and matters/.")]


@app.command()
def check(files: Files = None, *, json: Json = False) -> None:
    """检查：列出一个文件的全部问题 | Find everything that is wrong, with what to do about it."""
    wrong = False
    for path in _rule_files(files):
        text = path.read_text(encoding="utf-8")
        try:
            book = read(text, where=str(path))
            found: tuple[Finding, ...] = book.warnings
        except RuleFileError as error:
            found, wrong = error.findings, True
        if json:
            for finding in found:
                show.out.print(jsonlib.dumps(_as_json(path, finding), ensure_ascii=False))
        else:
            _print_findings(path, text, found)
    if wrong:
        raise typer.Exit(1)


@app.command()
def test(files: Files = None, *, json: Json = False) -> None:
    """测试：三种算法各跑一遍全部情形 | Run every scenario through all three evaluators."""
    failed = 0
    for path in _rule_files(files):
        book = _read(path)
        evaluators = {
            "engine": Engine(book).verdict,
            "reference": Reference(book).verdict,
            "interpreter": lambda facts, book=book: interpret.verdict(book, facts),
        }
        bad = [
            (name, result)
            for name, verdict in evaluators.items()
            for result in scenarios.run(book, verdict)
            if not result.passed
        ]
        failed += len(bad)
        if json:
            line = {
                "file": str(path),
                "scenarios": len(book.scenarios),
                "failed": sorted({result.scenario.id for _, result in bad}),
            }
            show.out.print(jsonlib.dumps(line, ensure_ascii=False))
            continue
        mark = "✗" if bad else "✓"
        show.out.print(f"{mark} {path}  {len(book.scenarios)} 情形 scenarios")
        for name, result in bad:
            at = result.scenario.at
            for difference in result.differences:
                show.out.print(
                    f"  {path}:{at.line}:{at.column} {result.scenario.id} ({name}) "
                    f"{difference.zh} | {difference.en}"
                )
    if failed:
        raise typer.Exit(1)


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="规则文件 | A rule file.")],
    scenario: Annotated[str, typer.Argument(help="情形编号 | Id of a scenario, e.g. S1.")],
    *,
    json: Json = False,
) -> None:
    """说明：一个情形逐条怎样得出 | How a scenario comes out, requirement by requirement."""
    book = _read(file)
    chosen = next((one for one in book.scenarios if one.id == scenario), None)
    if chosen is None:
        raise typer.BadParameter(f"没有情形“{scenario}” | there is no scenario `{scenario}`")
    explained = list(_explained(book, chosen.facts))
    verdict = Reference(book).verdict(chosen.facts)
    if json:
        line = {
            "verdict": verdict.kind,
            "requirements": explained,
            "rows": dict(verdict.rows),
            "outputs": {id_: str(value) for id_, value in verdict.outputs},
        }
        show.out.print(jsonlib.dumps(line, ensure_ascii=False))
        return
    show.out.print(f"{chosen.id} {chosen.name.zh} {chosen.name.en}: {verdict.kind}")
    for one in explained:
        show.out.print(f"  {one['id']} {one['title']}: {one['status']}")
        for name, value in one["values"].items():
            show.out.print(f"      {name} = {value}")
    for table, row in verdict.rows:
        show.out.print(f"  标准 table {table}: 行 row {row or '—'}")
    for id_, value in verdict.outputs:
        show.out.print(f"  {id_} = {value}")


@app.command()
def seal(
    releases: Annotated[
        list[str] | None, typer.Argument(help="版本，默认全部 | matter@day, by default all.")
    ] = None,
    *,
    city: City = Path(),
) -> None:
    """封存：写出版本摘要，由第二人提交 | Write the digest of releases; a second person commits."""
    meanings = {key: register.meaning for key, register in registry.load().items()}
    try:
        composed: tuple[Release, ...] = catalogue.compose_all(city, meanings)
    except RuleFileError as error:
        _print_findings(Path(error.where), "", error.findings)
        raise typer.Exit(1) from None
    except InvalidPublicationError as error:
        show.err.print(f"{error}\n{error.zh}\n{error.hint}")
        raise typer.Exit(1) from None
    for release in composed:
        if not releases or release.name in releases:
            place = catalogue.seal(city, release)
            show.out.print(f"{release.name}  {release.digest}  {place}")


def _explained(book: Rulebook, facts: Facts) -> Iterator[dict[str, Any]]:
    """Every requirement with its status and the values that it reads."""
    reference = Reference(book)
    statuses, atoms = dict(reference.verdict(facts).statuses), reference.atoms(facts)
    named = {one.id: one for one in (*book.terms, *book.derived)}
    for requirement in book.requirements:
        values = {
            named[name].name.zh: "未知 unknown"
            if isinstance(value, NotKnown)
            else display(value, named[name].type).zh
            for atom in atoms[requirement.id]
            for name, value in atom.inputs
            if name in named
        }
        yield {
            "id": requirement.id,
            "title": f"{requirement.name.zh} {requirement.name.en}",
            "status": statuses[requirement.id].value,
            "values": values,
        }


def _rule_files(paths: list[Path] | None) -> Iterator[Path]:
    """The rule files that were named, or that lie in the folders that were."""
    for path in paths or [Path("rules")]:
        if path.is_dir():
            yield from sorted(path.glob("**/*.rules.md"))
        elif path.is_file():
            yield path
        else:
            raise typer.BadParameter(f"没有文件“{path}” | there is no file `{path}`")


def _read(path: Path) -> Rulebook:
    """A rule file that is sound; else its findings are printed and the command ends."""
    text = path.read_text(encoding="utf-8")
    try:
        return read(text, where=str(path))
    except RuleFileError as error:
        _print_findings(path, text, error.findings)
        raise typer.Exit(1) from None


def _print_findings(path: Path, text: str, findings: Iterable[Finding]) -> None:
    """Each finding where it is, in both languages, with the line and a mark under the place."""
    lines = text.splitlines()
    for finding in findings:
        at, message, hint = finding.at, finding.message, finding.hint
        show.out.print(f"{path}:{at.line}:{at.column}: {finding.code} {message.zh} | {message.en}")
        if at.line <= len(lines):
            before = lines[at.line - 1][: at.column - 1]
            show.out.print(f"    {lines[at.line - 1]}", soft_wrap=True)
            show.out.print(f"    {' ' * _width(before)}^")
        show.out.print(f"    {hint.zh} {hint.en}", soft_wrap=True)


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _as_json(path: Path, finding: Finding) -> dict[str, Any]:
    return {
        "file": str(path),
        "line": finding.at.line,
        "column": finding.at.column,
        "code": finding.code,
        "message": finding.message.model_dump(),
        "hint": finding.hint.model_dump(),
    }

"""`miaopi rules`: what policy staff run on their rule files; `simulate` alone asks the service."""

import json as jsonlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import typer

from decision_service import catalogue
from decision_service.cli import card, explanation, sealing, show, simulation
from decision_service.cli.beginnings import begun
from decision_service.cli.expression import answered
from decision_service.cli.rule_files import (
    SUFFIX,
    RuleFile,
    as_json,
    city_calendar,
    city_meanings,
    city_registers,
    composed_city,
    drafted,
    is_sealed,
    open_rule_file,
    print_findings,
    refused,
    release_before,
    release_of,
    rule_files,
    text_of,
    write,
)
from decision_service.cli.service import LOCAL, Address, Token, call
from decision_service.client import Client, SimulateReleaseResponse
from decision_service.client import as_json as message_as_json
from decision_service.publication import Duty, Signatories, read_signatories
from decision_service.release import Release
from decision_service.rulebook import guide, interpret, scenarios
from decision_service.rulebook.coverage import coverage, share
from decision_service.rulebook.engine import Engine
from decision_service.rulebook.evaluate import Reference
from decision_service.rulebook.fields import IDENTIFIER
from decision_service.rulebook.formatting import formatted
from decision_service.rulebook.scenarios import ScenarioResult
from decision_service.rulebook.tree import Rulebook, RuleFileError

app = typer.Typer()

Files = Annotated[
    list[Path] | None,
    typer.Argument(help="规则文件或文件夹，默认 rules/ | Files or folders, by default rules/."),
]
Json = Annotated[bool, typer.Option("--json", help="输出 JSON | Print JSON, one line a finding.")]
City = Annotated[Path, typer.Option(help="城市文件夹 | The folder with rules/ and matters/.")]
Releases = Annotated[
    list[str] | None,
    typer.Argument(help="版本，默认为尚未发布的 | matter@day, by default what is not published."),
]
Key = Annotated[
    Path,
    typer.Option("--key", help="自己的密钥文件 | Your signing key.", exists=True, dir_okay=False),
]
Signers = Annotated[
    Path | None,
    typer.Option(help="签署人名单 | Who may sign, by default rules/signers.toml.", dir_okay=False),
]


@app.command()
def check(files: Files = None, *, json: Json = False) -> None:
    """检查：列出一个文件的全部问题 | Find everything that is wrong, with what to do about it."""
    wrong = False
    for path in rule_files(files or [Path("rules")]):
        file = open_rule_file(path)
        wrong |= file.book is None or bool(file.beside)
        _report(file, json=json)
        if not (json or file.findings or file.beside):
            show.out.print(f"✓ {path}", soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


@app.command()
def new(
    matter: Annotated[str, typer.Argument(help="事项标识，例如 parking_permit | The matter's id.")],
    day: Annotated[str, typer.Argument(help="生效日 | The first day, e.g. 2027-01-01.")],
    concepts: Annotated[
        list[str] | None, typer.Argument(help="用到的信息项标识 | Ids of the concepts it uses.")
    ] = None,
    *,
    title: Annotated[str, typer.Option(help="名称，中文 | English")] = "（名称）| (name)",
    authority: Annotated[str, typer.Option(help="主管，中文 | English")] = "（主管）| (authority)",
    city: City = Path(),
) -> None:
    """新建：写出初稿，已有版本的从上一版本写起 | Begin a rule file, from the release before."""
    if not IDENTIFIER.fullmatch(matter):
        raise typer.BadParameter(f"“{matter}”不是标识 | `{matter}` is no id such as parking_permit")
    path = city / "rules" / matter / f"{day}{SUFFIX}"
    if path.exists():
        raise typer.BadParameter(f"已有“{path}” | `{path}` is there already")
    text = drafted(path, concepts or [], title=title, authority=authority)
    write(path, text)
    show.out.print(f"✓ {path}", soft_wrap=True)
    _prepare_what_is_due(city / "matters" / matter, path, day)


def _prepare_what_is_due(folder: Path, path: Path, day: str) -> None:
    """Begin what a release needs beside its rule file, or copy it; and say what is next."""
    beside, before = folder / day, release_before(path)
    if before and (folder / f"{before}").is_dir() and not beside.exists():
        shutil.copytree(folder / f"{before}", beside)
        show.out.print(f"✓ {beside}", soft_wrap=True)
    elif not beside.exists() and (book := open_rule_file(path).book):
        for name, text in begun(book, city_meanings(path), city_registers(path)).items():
            write(beside / name, text)
        show.out.print(f"✓ {beside}", soft_wrap=True)
    name = f"{folder.name}@{day}"
    for command in (f"check {path}", f"test {path}", f"seal {name} --key FILE"):
        show.out.print(f"  接着 next: miaopi rules {command}", soft_wrap=True)


@app.command("test")
def run(
    files: Files = None,
    *,
    json: Json = False,
    unseen: Annotated[
        bool,
        typer.Option("--coverage", help="列出情形没有覆盖的 | List what no scenario has seen."),
    ] = False,
) -> None:
    """测试：三种算法各跑一遍全部情形 | Run every scenario through all three evaluators."""
    wrong = False
    for path in rule_files(files or [Path("rules")]):
        file = open_rule_file(path)
        if file.book is None:
            wrong = True
            _report(file, json=json)
            continue
        failed = [(name, one) for name, one in _results(file.book) if not one.passed]
        wrong |= bool(failed)
        found = coverage(file.book)
        if json:
            _print_json(
                {
                    "file": str(path),
                    "scenarios": len(file.book.scenarios),
                    "coverage": {
                        "seen": share(found)[0],
                        "possible": share(found)[1],
                        "unseen": {
                            one.what: [t.en for t in one.unseen] for one in found if one.unseen
                        },
                    },
                    "failed": [
                        {
                            "scenario": one.scenario.id,
                            "evaluator": name,
                            "differences": [
                                difference.model_dump() for difference in one.differences
                            ],
                        }
                        for name, one in failed
                    ],
                }
            )
        else:
            _print_results(file, failed, "{} / {}".format(*share(found)))
            for one in found if unseen else ():
                if one.unseen:
                    truths = "、".join(f"{truth.zh} {truth.en}" for truth in one.unseen)
                    place = f"{path}:{one.at.line}:{one.at.column}"
                    show.out.print(
                        f"{place}: {one.what}  没有情形 no scenario: {truths}", soft_wrap=True
                    )
    if wrong:
        raise typer.Exit(1)


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="规则文件 | A rule file.", dir_okay=False)],
    known: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE",
            help="事实，例如 出生日期=1950-05-06 | Facts; what is not given is unknown.",
        ),
    ] = None,
    *,
    facts: Annotated[
        Path | None, typer.Option(help="事实的 JSON 文件 | A JSON object of facts.", dir_okay=False)
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="以此情形为底 | Begin with the facts of this scenario.")
    ] = "",
    json: Json = False,
) -> None:
    """说明：逐条说明怎样得出结论 | How the verdict comes about, requirement by requirement."""
    book = _sound(file)
    begun = {one.id: one.facts for one in book.scenarios}
    if scenario and scenario not in begun:
        raise typer.BadParameter(f"没有情形“{scenario}” | there is no scenario `{scenario}`")
    typed = explanation.typed_facts(book, known or [], facts)
    explained = explanation.explain(book, {**begun.get(scenario, {}), **typed})
    if json:
        _print_json(explanation.as_json(explained))
    else:
        show.out.print(explanation.shown(explained), soft_wrap=True)


@app.command("fmt")
def dress(
    files: Files = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="只检查，不改写 | Change nothing; 1 if it would.")
    ] = False,
) -> None:
    """排版：对齐表格，统一标点，按本市信息项补全词汇 | Align, normalise, fill in the vocabulary."""
    wrong = False
    for path in rule_files(files or [Path("rules")]):
        text = text_of(path)
        try:
            dressed = formatted(text, where=str(path), meanings=city_meanings(path))
        except RuleFileError as error:
            print_findings(RuleFile(path, text, None, error.findings))
            wrong = True
            continue
        if dressed == text:
            continue
        if is_sealed(path):
            show.out.print(f"{path}  已封存，不改写 sealed, left as it is", soft_wrap=True)
            continue
        wrong |= check
        if not check:
            write(path, dressed)
        show.out.print(f"{'✗' if check else '✓'} {path}", soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


@app.command("eval")
def evaluate(
    expression: Annotated[
        str, typer.Argument(help="算式，例如 1 + 2 * 3 | An expression; every name is unknown.")
    ] = "",
    *,
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            help='逐行读取 JSON | Read lines of {"expression": …, "context": {…}} from stdin.',
        ),
    ] = False,
) -> None:
    """算式：单独算一个 | Work out an expression on its own, or one a line of JSON."""
    if jsonl is bool(expression):
        raise typer.BadParameter("请给出算式，或者 --jsonl | give an expression, or --jsonl")
    lines = sys.stdin if jsonl else [jsonlib.dumps({"expression": expression})]
    calendar, wrong = city_calendar(Path()), False
    for line in lines:
        if line.strip():
            answer, sound = answered(line, calendar)
            sys.stdout.write(f"{answer}\n")
            wrong |= not sound
    if wrong:
        raise typer.Exit(1)


@app.command()
def doc(
    file: Annotated[Path, typer.Argument(help="规则文件 | A rule file.", dir_okay=False)],
    *,
    html: Annotated[bool, typer.Option("--html", help="输出 HTML | A page of HTML.")] = False,
) -> None:
    """指南：由规则文件写出办事指南 | The public guide of a matter, from its rule file."""
    book = _sound(file)
    sys.stdout.write(guide.as_html(book) if html else guide.as_markdown(book))


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="密钥名称 | The key's name, e.g. li.wei@example.cn.")],
    *,
    to: Annotated[Path, typer.Option(help="写入此新文件 | The new file for it.", dir_okay=False)],
) -> None:
    """密钥：新建自己的签名密钥 | Make a signing key; print what goes into rules/signers.toml."""
    show.out.print(sealing.make_key(name, to), end="", soft_wrap=True)


@app.command()
def seal(
    releases: Releases = None,
    *,
    key: Key,
    city: City = Path(),
    signers: Signers = None,
    json: Json = False,
) -> None:
    """封存：编写人签署版本 | Sign releases as who has written them; another person approves."""
    among = _signatories(city, signers)
    signing = sealing.read_key(key, Duty.WRITE, among)
    for release in _to_sign(city, releases, among):
        place, anew = sealing.seal(city, release, signing, among)
        _print_signed(release, place, city, among, json=json, anew=anew)


@app.command()
def approve(
    releases: Releases = None,
    *,
    key: Key,
    city: City = Path(),
    signers: Signers = None,
    json: Json = False,
) -> None:
    """审批：第二人签署后才能发布 | Sign releases that somebody else has written: they count."""
    among = _signatories(city, signers)
    signing = sealing.read_key(key, Duty.APPROVE, among)
    for release in _to_sign(city, releases, among):
        with refused():
            place = sealing.approve(city, release, signing, among)
        _print_signed(release, place, city, among, json=json)


@app.command()
def review(
    release: Annotated[str, typer.Argument(help="版本 | matter@day.")],
    *,
    city: City = Path(),
    signers: Signers = None,
    json: Json = False,
) -> None:
    """审阅：与上一版本有何不同，情形与签署 | What a release changes, its scenarios, who signed."""
    composed = composed_city(city)
    (found,) = _named(composed, [release])
    earlier = (
        one
        for one in composed
        if one.matter.id == found.matter.id and one.effective < found.effective
    )
    before = max(earlier, key=attrgetter("effective"), default=None)
    failed = [(name, one) for name, one in _results(found.book) if not one.passed]
    if not json:
        show.out.print(card.changes(found, before), soft_wrap=True)
        file = open_rule_file(city / found.book.where)
        _print_results(file, failed, "{} / {}".format(*share(coverage(found.book))))
    among = _signatories(city, signers)
    with refused():
        begun = catalogue.seal_of(city, found)
        signed = begun.signatories(among) if begun else ()
        strangers = begun.strangers(among) if begun else ()
    if json:
        _print_json(
            {
                "release": found.name,
                "digest": found.digest,
                "before": before.name if before else "",
                "changes": [*card.lines(before, found)] if before else [],
                "scenarios": len(found.book.scenarios),
                "failed": [*dict.fromkeys(one.scenario.id for _, one in failed)],
                "signed": [{"name": one.name, "may": [*map(str, one.may)]} for one in signed],
                "unknown": [*strangers],
                "published": sealing.is_published(city, found, among),
            }
        )
    else:
        show.out.print(card.signatures(signed, strangers), soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def simulate(
    file: Annotated[Path, typer.Argument(help="规则文件 | A rule file.", dir_okay=False)],
    *,
    filter_: Annotated[
        str,
        typer.Option("--filter", help="只试算符合者 | Of these alone, e.g. 'time >= 2026-01-01'."),
    ] = "",
    address: Address = LOCAL,
    token: Token = "",
    json: Json = False,
) -> None:
    """试算：已有的决定若按此文件会怎样 | What it would have made of the decisions on record."""
    archive = release_of(file).archive

    async def ask(client: Client) -> None:
        told = SimulateReleaseResponse()
        with show.progress("试算 simulating") as bar:
            task = bar.add_task("")
            async for told in client.simulation(archive, filter_):
                bar.update(task, completed=told.done, total=told.total)
        show.out.print(message_as_json(told) if json else simulation.shown(told), soft_wrap=json)

    call(address, token, ask)


def _named(composed: Sequence[Release], names: Sequence[str] | None) -> tuple[Release, ...]:
    """The releases that are named, or all."""
    unknown = sorted({*(names or ())} - {release.name for release in composed})
    if unknown:
        listed = ", ".join(unknown)
        raise typer.BadParameter(f"没有版本“{listed}” | there is no release `{listed}`")
    return tuple(release for release in composed if not names or release.name in names)


def _to_sign(city: Path, names: Sequence[str] | None, among: Signatories) -> tuple[Release, ...]:
    """The releases that are named, or that do not count yet; none unfinished, or that fails."""
    found = _named(composed_city(city), names)
    if not names:
        found = tuple(one for one in found if not sealing.is_published(city, one, among))
        if not found:
            show.err.print("没有待签署的版本 | every release is published")
    for release in found:
        if blank := sealing.left_blank(city, release):
            listed = "\n  ".join(blank)
            raise typer.BadParameter(
                "初稿留待填写之处还没有写，请填写后再签署 | "
                f"the draft leaves this to you: write it before you sign\n  {listed}"
            )
        failed = [(name, one) for name, one in _results(release.book) if not one.passed]
        if failed:
            file = open_rule_file(city / release.book.where)
            _print_results(file, failed, "{} / {}".format(*share(coverage(release.book))))
            raise typer.Exit(1)
    return found


def _signatories(city: Path, file: Path | None) -> Signatories:
    with refused():
        return read_signatories(city, file)


def _print_signed(
    release: Release,
    place: Path,
    city: Path,
    among: Signatories,
    *,
    json: bool,
    anew: bool = False,
) -> None:
    """What was signed, and whether it counts or who is missing."""
    published = sealing.is_published(city, release, among)
    if json:
        said = {"release": release.name, "digest": release.digest, "file": str(place)}
        _print_json({**said, "published": published})
        return
    show.out.print(f"{release.name}  {release.digest}  {place}", soft_wrap=True)
    if anew:
        show.out.print(
            "  原签名不是本版本的，已重新封存 | sealed anew: what it bore was of another text"
        )
    show.out.print(
        "  ✓ 已由两人签署，可以启用 | two persons have signed it: it is published"
        if published
        else "  待另一人审批 | another person approves it:"
        f" miaopi rules approve {release.name} --key FILE",
        soft_wrap=True,
    )


def _results(book: Rulebook) -> Iterator[tuple[str, ScenarioResult]]:
    """Every scenario by every evaluator, with the name of it."""
    with closing(Engine(book)) as engine:
        evaluators = {
            "engine": engine.verdict,
            "reference": Reference(book).verdict,
            "interpreter": lambda facts: interpret.verdict(book, facts),
        }
        for name, verdict in evaluators.items():
            for result in scenarios.run(book, verdict):
                yield name, result


def _print_results(file: RuleFile, failed: list[tuple[str, ScenarioResult]], covered: str) -> None:
    count = len(file.book.scenarios) if file.book else 0
    mark = "✗" if failed else "✓"
    told = f"{count} 个情形 scenarios  覆盖 coverage {covered}"
    show.out.print(f"{mark} {file.path}  {told}", soft_wrap=True)
    for name, result in failed:
        at, one = result.scenario.at, result.scenario
        for difference in result.differences:
            show.out.print(
                f"{file.path}:{at.line}:{at.column}: {one.id} {one.name.zh} | {one.name.en} "
                f"({name})\n    {difference.zh} | {difference.en}",
                soft_wrap=True,
            )


def _report(file: RuleFile, *, json: bool) -> None:
    """Everything that was found in a file and beside it."""
    if not json:
        print_findings(file)
        return
    for finding in file.findings:
        _print_json({"file": str(file.path), **as_json(finding)})
    if file.beside:
        _print_json({"file": str(file.path), "beside": file.beside})


def _sound(path: Path) -> Rulebook:
    """A rule file that can be used; else its findings are printed and the command ends."""
    file = open_rule_file(path)
    if file.book is None:
        print_findings(file)
        raise typer.Exit(1)
    return file.book


def _print_json(found: object) -> None:
    show.out.print(jsonlib.dumps(found, ensure_ascii=False), soft_wrap=True)

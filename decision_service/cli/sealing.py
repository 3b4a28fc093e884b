"""What two persons do with a release before it counts: each signs it with a key of their own."""

import os
import re
from pathlib import Path

import typer

from audit.note import SigningKey, is_name
from decision_service import catalogue
from decision_service.cli.rule_files import write
from decision_service.errors import InvalidPublicationError
from decision_service.publication import Duty, Seal, Signatories
from decision_service.release import Release

_ENTRY = """\
[[signers]]
key = "{key}"
title = {{ zh = "（姓名、职务）", en = "(name, office)" }}
may = ["{write}", "{approve}"]  # 编写、审批，按职责保留 | keep what is their duty
"""
"""What to put into the file of those who may sign."""

_BLANK = re.compile("（(?:名称|主管|文件名称|条款|原文|用途|复议机关|法院|填写)）")
"""What drafts leave to people (`rulebook.skeleton`, `beginnings`): no notice is sent with one."""


def make_key(name: str, to: Path) -> str:
    """Make a signing key in a new file that only its owner can read.

    Returns:
        The entry of its public half.
    """
    if not is_name(name):
        raise typer.BadParameter(
            "名称只用可见的 ASCII 字符，不含空格和 + | a name has visible ASCII without space or +"
        )
    secret = SigningKey.generate(name)
    try:
        opened = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise typer.BadParameter(
            f"已有“{to}”，不会覆盖 | `{to}` is there already, and is not written over"
        ) from None
    except OSError as error:
        raise typer.BadParameter(
            f"“{to}”写不了 | `{to}` cannot be written: {error.strerror}"
        ) from None
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(secret + "\n")
    key = SigningKey(secret).verifier_key
    return _ENTRY.format(key=key, write=Duty.WRITE.value, approve=Duty.APPROVE.value)


def read_key(path: Path, duty: Duty, among: Signatories) -> SigningKey:
    """The signing key of somebody who has that duty by the file of signers."""
    if path.stat().st_mode & 0o077:
        raise typer.BadParameter(
            f"“{path}”可被他人读取，请先把权限设为 0600 | others can read `{path}`: make it 0600"
        )
    try:
        key = SigningKey(path.read_text(encoding="utf-8").removesuffix("\n"))
    except ValueError:
        raise typer.BadParameter(
            f"“{path}”不是签名密钥 | `{path}` holds no signing key; `miaopi rules key` makes one"
        ) from None
    found = among.get(key.name)
    if found is None or found.key != key.verifier_key or duty not in found.may:
        raise typer.BadParameter(
            f"签署人名单没有给密钥“{key.name}”{duty.zh}规则的权限 | the file of signers"
            f" ({among.where}) does not let `{key.name}` {duty} rules: what `miaopi rules key`"
            " printed belongs there"
        )
    return key


def left_blank(city: Path, release: Release) -> list[str]:
    """What of a draft nobody has written yet, each with its file, line and column."""
    matter, _, day = release.name.partition("@")
    found = []
    for where in (release.book.where, f"matters/{matter}/{day}/matter.toml"):
        text = catalogue.text_of(city / where, city)
        for number, line in enumerate(text.split("\n"), 1):
            found += [
                f"{where}:{number}:{one.start() + 1} {one[0]}" for one in _BLANK.finditer(line)
            ]
    return found


def is_published(city: Path, release: Release, among: Signatories) -> bool:
    """Whether a release counts as it is now."""
    try:
        begun = catalogue.seal_of(city, release)
        return begun is not None and bool(begun.publication(among))
    except InvalidPublicationError:
        return False


def seal(city: Path, release: Release, key: SigningKey, among: Signatories) -> tuple[Path, bool]:
    """Sign a release as who has written it.

    Returns:
        Its file, and whether it was sealed anew: signatures of another text count no more.
    """
    try:
        begun = catalogue.seal_of(city, release) or Seal(release)
        begun.signatories(among)
    except InvalidPublicationError:
        return _sign(city, Seal(release), key), True
    return _sign(city, begun, key), False


def approve(city: Path, release: Release, key: SigningKey, among: Signatories) -> Path:
    """Sign a release that somebody else has written.

    Raises:
        InvalidPublicationError: It was changed since, or a signature under it is false.
    """
    begun = catalogue.seal_of(city, release) or Seal(release)
    others = [one for one in begun.signatories(among) if one.name != key.name]
    if not any(Duty.WRITE in one.may for one in others):
        raise typer.BadParameter(
            f"版本 {release.name} 还没有由另一人封存 | nobody else has sealed `{release.name}` yet"
        )
    return _sign(city, begun, key)


def _sign(city: Path, begun: Seal, key: SigningKey) -> Path:
    path = city / begun.where
    if key.sign(begun.text) not in begun.written:
        write(path, begun.signed(key).written)
    return path

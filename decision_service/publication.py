"""Who wrote a release and who approved it: two persons sign its digest (S1).

The seal of a release is a signed note (`audit.note`) of three lines: what it is, the release's
name, its digest. Somebody who may write rules begins it; it counts once another person, who may
approve them, has signed the same text. What the service believes of keys is told by one file, which
whoever writes rules need not be able to change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator

from audit.note import Note, SigningKey, VerifierKey
from decision_service.datafile import DataFile, UnfitFileError, WrongValueError, no_utf8
from decision_service.errors import InvalidPublicationError
from decision_service.model import Frozen, MatterId, Text
from decision_service.release import Release

FILE = "rules/signers.toml"
"""Where a city names those who may sign, unless the settings name another file."""

_KIND = "miaopi release"
"""The first line: what is signed here can be no checkpoint, and the other way round."""


def seal_file(name: str) -> str:
    """Where the seal of the release of that name lies in a city's folder."""
    return f"rules/releases/{name}.seal"


class Duty(StrEnum):
    """What somebody's signature can mean."""

    WRITE = "write"
    APPROVE = "approve"

    @property
    def zh(self) -> str:
        """The same in Chinese."""
        return {"write": "编写", "approve": "审批"}[self]


class Signatory(Frozen):
    """Somebody who may sign releases.

    Attributes:
        key: The public key, as C2SP writes it: ``name+id+base64``.
        title: Who that is.
    """

    key: str
    title: Text
    may: tuple[Annotated[Duty, Field(strict=False)], ...] = Field(min_length=1, strict=False)

    @field_validator("key")
    @classmethod
    def _is_key(cls, key: str) -> str:
        try:
            VerifierKey(key)
        except ValueError:
            raise WrongValueError(
                zh="不是公钥，或与其标识不符；请照 miaopi rules key 打印的填写",
                en="is no public key, or not the one that its id names: write what"
                " `miaopi rules key` printed",
            ) from None
        return key

    @cached_property
    def verifier(self) -> VerifierKey:
        """The key, ready to check with."""
        return VerifierKey(self.key)

    @property
    def name(self) -> str:
        """Of the key."""
        return self.key.partition("+")[0]


class _File(Frozen):
    """``signers.toml``, as the city keeps it."""

    signers: list[Signatory] = Field(min_length=1)

    @field_validator("signers")
    @classmethod
    def _is_each_somebody_else(cls, signers: list[Signatory]) -> list[Signatory]:
        names = [one.name for one in signers]
        keys = [one.key.split("+", 2)[2] for one in signers]  # base64 has pluses, too
        if len(set(names)) < len(names) or len(set(keys)) < len(keys):
            raise WrongValueError(
                zh="同一名称或密钥写了两次，而两个签名须出自两人；请删去一个",
                en="a name or a key stands here twice, and two signatures are two people: "
                "delete one",
            )
        return signers


@dataclass(frozen=True, slots=True)
class Publication:
    """That a release was published, and by whom.

    Attributes:
        seal: The signed note.
        keys: The public keys of whose signatures count, in their order.
    """

    matter: MatterId
    release: str
    release_digest: str
    seal: str
    keys: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the seal and the keys: made to count by others, it is another one."""
        return sha256("\n".join((self.seal, *self.keys)).encode()).hexdigest()


class Seal:
    """What of a release is signed, and who has signed it so far.

    Args:
        lines: The signatures, as a note has them.

    Attributes:
        where: The file in the city's folder.
        text: What is signed.
        written: The signed note.
    """

    def __init__(self, release: Release, lines: str = "") -> None:
        self.where = seal_file(release.name)
        self._release = release
        self._lines = lines
        self.text = f"{_KIND}\n{release.name}\n{release.digest}\n"
        self.written = f"{self.text}\n{lines}"

    @classmethod
    def read(cls, release: Release, written: str) -> Self:
        """The seal of that release.

        Raises:
            InvalidPublicationError: It is none (``SEAL_INVALID``), or it was another release when
                it was signed (``RELEASE_CHANGED``).
        """
        try:
            kind, name, digest, end = Note.read(written).text.split("\n")
        except ValueError:
            raise _invalid(seal_file(release.name)) from None
        if (kind, name, end) != (_KIND, release.name, ""):
            raise _invalid(seal_file(release.name))
        if digest != release.digest:
            raise _changed(release, digest)
        return cls(release, written.rpartition("\n\n")[2])

    def signed(self, key: SigningKey) -> "Seal":
        """The seal with one more signature."""
        return Seal(self._release, self._lines + key.sign(self.text))

    def signatories(self, among: "Signatories") -> tuple[Signatory, ...]:
        """Those of them who have signed, in order; what others have signed says nothing.

        Raises:
            InvalidPublicationError: A signature is not of this text (``SEAL_INVALID``).
        """
        signatures = Note.read(self.written).signatures
        found = (among.get(name) for name in dict.fromkeys(one.name for one in signatures))
        signed = tuple(one for one in found if one and one.verifier.is_among(signatures))
        if not all(one.verifier.has_signed(self.text, signatures) for one in signed):
            raise _invalid(self.where)
        return signed

    def strangers(self, among: "Signatories") -> tuple[str, ...]:
        """Names of the keys that have signed, as they say, and are of nobody among those."""
        known = {one.name for one in self.signatories(among)}
        names = dict.fromkeys(one.name for one in Note.read(self.written).signatures)
        return tuple(name for name in names if name not in known)

    def publication(self, among: "Signatories") -> Publication:
        """What was published by whom.

        Raises:
            InvalidPublicationError: A signature is not of this text (``SEAL_INVALID``), or those
                of two persons, one who may write and one who may approve, are not there
                (``RELEASE_NOT_APPROVED``).
        """
        release, signed = self._release, self.signatories(among)
        # Of two persons or more who have both duties, one can have written and another approved it.
        if len(signed) < 2 or {duty for one in signed for duty in one.may} != {*Duty}:
            raise _not_approved(release, signed, self.strangers(among))
        return Publication(
            matter=release.matter.id,
            release=release.name,
            release_digest=release.digest,
            seal=self.written,
            keys=tuple(one.key for one in signed),
        )


class Signatories:
    """Those whose signatures count, by the names of their keys.

    Attributes:
        where: The file that names them.
    """

    def __init__(self, signers: Sequence[Signatory], where: str) -> None:
        self.where = where
        self._by_name: Mapping[str, Signatory] = {one.name: one for one in signers}

    @classmethod
    def read(cls, text: str, *, where: str) -> Self:
        """Those of a file.

        Raises:
            InvalidPublicationError: It is wrong.
        """
        return cls(DataFile(text, where).read(_File, "SIGNERS_INVALID").signers, where)

    def get(self, name: str) -> Signatory | None:
        """Whose key is named so; None if it is nobody's."""
        return self._by_name.get(name)


def read_signatories(city: Path, file: Path | None = None) -> Signatories:
    """Those whose signatures count in a city.

    Args:
        file: That names them, where it is not the city's own.

    Raises:
        InvalidPublicationError: The file is missing or wrong.
    """
    path = file or city / FILE
    where = FILE if file is None else str(file)
    try:
        return Signatories.read(path.read_text(encoding="utf-8"), where=where)
    except UnicodeDecodeError as error:
        raise UnfitFileError("SIGNERS_INVALID", where, [no_utf8(error)]) from None
    except OSError:
        raise InvalidPublicationError(
            f"`{where}` cannot be read",
            zh=f"无法读取“{where}”，其中应列明有权编写、审批规则的人员及其公钥",
            reason="SIGNERS_MISSING",
            hint="It names who may write and who may approve rules, with their public keys; "
            "`miaopi rules key NAME --to FILE` makes a key and prints what to put there.",
        ) from None


def _changed(release: Release, sealed: str) -> InvalidPublicationError:
    matter, day = release.matter.id, release.effective
    return InvalidPublicationError(
        f"release `{release.name}` was changed after it was signed",
        zh=f"版本 {release.name} 签署后被改动：已生效的，请撤销改动，或以更晚的生效日另行发布；"
        "尚未生效的，也可由两人重新签署（miaopi rules seal、approve）",
        reason="RELEASE_CHANGED",
        hint=f"Undo the change in `{release.book.where}`, `matters/{matter}/{day}/`, "
        "`matters/concepts.toml`, `matters/workdays.toml` or a register that it asks, or publish "
        "it as a new release with a later first day. One that has not begun can also be signed "
        "again: `miaopi rules seal`, then `approve`.",
        release=release.name,
        sealed=sealed,
        found=release.digest,
    )


def _not_approved(
    release: Release, signed: Sequence[Signatory], strangers: Sequence[str]
) -> InvalidPublicationError:
    en = [f"`{one.name}` ({', '.join(one.may)})" for one in signed]
    zh = [f"{one.name}（{'、'.join(duty.zh for duty in one.may)}）" for one in signed]
    return InvalidPublicationError(
        f"release `{release.name}` is signed by {', '.join(en) or 'nobody'}, and two persons"
        " must: one who may write rules and another who may approve them"
        + (
            f"; {', '.join(f'`{one}`' for one in strangers)} signed it, too, by a key that the"
            " file of signers does not name"
            if strangers
            else ""
        ),
        zh=f"版本 {release.name} 须由编写人和另一名审批人共同签署，"
        + (f"现仅有 {'、'.join(zh)} 签署" if zh else "现无有效签署")
        + "；请由尚未签署者运行 miaopi rules seal（编写人）或 approve（审批人）"
        + (
            f"；{'、'.join(strangers)} 虽已签署，但签署人名单中没有其密钥，仍有权签署的请重新列入"
            if strangers
            else ""
        ),
        reason="RELEASE_NOT_APPROVED",
        hint=f"Who is missing signs it: `miaopi rules seal {release.name}` for who writes,"
        f" `miaopi rules approve {release.name}` for who approves."
        + (
            " Whoever has signed it and may still do so is named in the file of signers again."
            if strangers
            else ""
        ),
        release=release.name,
    )


def _invalid(where: str) -> InvalidPublicationError:
    return InvalidPublicationError(
        f"`{where}` is not the seal of this release as it was signed",
        zh=f"“{where}”不是本版本签署时的封存文件，可能被改动；请恢复原件，或重新签署",
        reason="SEAL_INVALID",
        hint="Put it back as it was signed; or delete it and have it signed again.",
        where=where,
    )

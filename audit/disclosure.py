"""Sealed parts for an auditor: beside the tiles of an export, encrypted to the auditor alone.

Of each the auditor gets the ciphertext as it is stored and the one key that opens it. The leaf has
the ciphertext's digest, and the ciphertext commits to its key; so what the auditor reads is what
was recorded, whatever whoever exported it would like. ``docs/export.md`` specifies it.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from pyrage import DecryptError, EncryptError, decrypt_io, encrypt_io, x25519
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from audit.errors import AuditError, StoreRefusedError, TamperedError
from audit.log import store
from audit.log.tiles import WIDTH
from audit.note import from_base64, to_base64
from audit.trail.age import read_identity, recipient_of
from audit.trail.canonical import Json, decode, encode
from audit.trail.disclosures import Disclosure
from audit.trail.entries import Leaf
from audit.trail.erasures import ERASURE_TYPE, Erasure, read_erasures
from audit.trail.layout import SEALED_FILE, SEALED_SCHEMA, sealed_path
from audit.trail.projections import SEALED, SUBJECT_KEYS
from audit.trail.recoveries import RECOVERY_TYPE, Recovery, opens_from, read_recoveries
from audit.trail.seal import Keyring, Unsealed, commitment, digest_of, unseal_with
from audit.trail.unsealing import MASTER_KEY_FILE
from audit.verify.exported import entries_of_export
from audit.verify.report import PROBLEMS, Problem, Progress

_LINE_BYTES = 1 << 22
"""More than the largest sealed part has as a line."""


@dataclass(slots=True)
class Disclosed:
    """What of the sealed parts was written, or found.

    Attributes:
        index: The entry that puts it on record.
        opened: How many sealed parts.
        erased: How many entries of the scope have none any more, because it was erased.
        lost: Or because the master key of their day was lost.
        problems: Found wrong by whoever checks them.
    """

    index: int
    opened: int = 0
    erased: int = 0
    lost: int = 0
    problems: list[Problem] = field(default_factory=list)


# ── whoever exports ──────────────────────────────────────────────────────────────────────────────


def disclose(
    connection: Connection, keyring: Keyring, draft: Path, index: int, *, signed_size: int
) -> Disclosed:
    """Write the sealed parts that an entry says are given, an entry at a time.

    Args:
        keyring: Opens the store as it is on that connection.
        draft: Of the export.
        index: Of the entry.
        signed_size: So far the export goes.

    Raises:
        StoreRefusedError: The entry puts no disclosure on record; or an erasure that the export
            does not reach yet has taken some of it (``EXPORT_OVERTAKEN``).
        TamperedError: A sealed part is not what was recorded, so nothing is given.
    """
    content = store.read_leaf(connection, index) if index < signed_size else None
    disclosure = _on_record(index, content)
    if any(one.index >= signed_size for one in read_erasures(connection)[-1:]):
        raise _overtaken()
    reader = recipient_of(disclosure.recipient)
    opens = opens_from(read_recoveries(connection), MASTER_KEY_FILE)
    giving = _Giving(connection, disclosure, keyring, opens, Disclosed(index))
    for position in range(disclosure.first // WIDTH, -(-(disclosure.end or 0) // WIDTH)):
        lines = giving.lines(position)
        first = next(lines, None)
        if first is None:
            continue
        path = draft / sealed_path(position)
        path.parent.mkdir(parents=True, exist_ok=True)
        source = _Reader(chain([first], lines))
        with path.open("wb") as file:
            try:
                encrypt_io(source, file, [reader])
            except EncryptError as error:  # whatever went wrong on the way
                raise source.failed or OSError(str(error)) from None
    (draft / SEALED_FILE).parent.mkdir(exist_ok=True)
    (draft / SEALED_FILE).write_bytes(encode({"schema": SEALED_SCHEMA, "disclosure": index}))
    return giving.done


@dataclass(frozen=True, slots=True)
class _Giving:
    """What is given, from the store.

    Attributes:
        opens_from: Below, the master key was lost.
    """

    connection: Connection
    disclosure: Disclosure
    keyring: Keyring
    opens_from: int
    done: Disclosed

    def lines(self, position: int) -> Iterator[bytes]:
        """A line for each entry of a bundle that is in the scope."""
        sealed, keys, entries = SEALED, SUBJECT_KEYS, store.ENTRIES
        beside = entries.join(sealed, sealed.c.idx == entries.c.idx, isouter=True)
        beside = beside.join(keys, keys.c.id == sealed.c.subject_key_id, isouter=True)
        query = (
            select(
                entries.c.idx.label("at"),
                entries.c.leaf,
                sealed,
                keys.c.wrapped.label("wrapped_subject_key"),
            )
            .select_from(beside)
            .where(entries.c.idx >= position * WIDTH, entries.c.idx < (position + 1) * WIDTH)
            .order_by(entries.c.idx)
        )
        found = self.connection.execute(query, execution_options={"yield_per": 16})
        for row in found.mappings():
            leaf = Leaf.decode(row["leaf"])
            if self.disclosure.covers(row["at"], leaf):
                yield encode({"index": row["at"], **self._said(row["at"], leaf, row)}) + b"\n"

    def _said(self, index: int, leaf: Leaf, row: Mapping[Any, Any]) -> dict[str, Json]:
        """What opens the sealed part of an entry, or why there is none."""
        if index < self.opens_from:
            self.done.lost += 1
            return {"lost": True}
        if row["wrapped_subject_key"] is None:
            self.done.erased += 1
            return {"erased": True}
        try:
            key = self.keyring.record_key(
                leaf.id,
                subject_key_id=row["subject_key_id"],
                wrapped_subject_key=row["wrapped_subject_key"],
                wrapped_key=row["wrapped_key"],
            )
        except TamperedError:
            raise _unfit(index) from None
        said: dict[str, Json] = {
            "key": to_base64(key),
            "content": to_base64(row["content"]),
            "links_salt": to_base64(row["links_salt"]),
            "links": to_base64(row["links"]),
        }
        if _unsealed(leaf, said) is None:
            raise _unfit(index)
        self.done.opened += 1
        return said


class _Reader(io.BufferedIOBase):
    """A file of what an iterator yields.

    Attributes:
        failed: What the iterator has raised.
    """

    def __init__(self, parts: Iterator[bytes]) -> None:
        self.failed: Exception | None = None
        self._parts = parts
        self._held = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            self._held = self._held or next(self._parts, b"")
        except (AuditError, SQLAlchemyError, ValueError) as error:
            self.failed = error
            raise
        given, self._held = self._held[:size], self._held[size:]
        return given


# ── the auditor ──────────────────────────────────────────────────────────────────────────────────


def is_disclosed(folder: Path) -> bool:
    """Whether an export has sealed parts."""
    return (folder / SEALED_FILE).exists()


def verify_disclosure(
    folder: Path, identity: Path, *, progress: Progress = lambda _done, _all: None
) -> Disclosed:
    """Open every sealed part of an export, and hold it against its entry.

    The export itself is verified by `audit.verify.verify_export`, before. Whatever the entry on
    record says is given must be there, but for what entries say was erased, or lost.

    Args:
        identity: The auditor's file, as `age-keygen` writes it.

    Raises:
        StoreRefusedError: The export has no sealed parts, they are for somebody else, or the
            identity cannot be read.
    """
    return _check(folder, identity, progress, lambda _index, _unsealed: None)


def open_disclosed(folder: Path, identity: Path, index: int) -> Unsealed:
    """Open the sealed part of one entry of an export that was verified.

    Raises:
        StoreRefusedError: As `verify_disclosure`; or the export has no such sealed part
            (``NOT_DISCLOSED``).
        TamperedError: It is not what was recorded.
    """
    found: dict[int, Unsealed] = {}
    done = _check(folder, identity, lambda _done, _all: None, found.setdefault, only=index)
    if index in found:
        return found[index]
    if done.problems:
        raise _unfit(index)
    raise StoreRefusedError(
        f"the export has no sealed part of entry `{index}`",
        zh=f"导出中没有第 {index} 条的密封部分：不在准予的范围内，或已删除",
        reason="NOT_DISCLOSED",
        hint="It is not in the scope that was put on record, or it was erased.",
    )


def _check(
    folder: Path,
    identity: Path,
    progress: Progress,
    take: Callable[[int, Unsealed], object],
    *,
    only: int | None = None,
) -> Disclosed:
    """Open the bundles of an export, all or that of one entry."""
    reader = read_identity(identity)
    index, disclosure = _told(folder)
    if str(reader.to_public()) != disclosure.recipient:
        raise _for_somebody_else()
    done, gone = Disclosed(index), _gone(folder)
    for position, entries in groupby(entries_of_export(folder), lambda one: one[0] // WIDTH):
        if only is not None and position != only // WIDTH:
            continue
        leaves = [(at, Leaf.decode(content)) for at, content in entries]
        scope = [(at, leaf) for at, leaf in leaves if disclosure.covers(at, leaf)]
        if scope:
            bundle = _Bundle(iter(scope), done, gone, take)
            bundle.read_from(folder / sealed_path(position), reader)
        progress(leaves[-1][0] + 1, len(gone.erased))
        if len(done.problems) >= PROBLEMS:
            break
    return done


@dataclass(frozen=True, slots=True)
class _Gone:
    """Which entries have no sealed part that opens, as other entries say.

    Attributes:
        erased: A byte for each entry of the log.
        opens_from: Below, the master key was lost.
    """

    erased: bytearray
    opens_from: int


def _gone(folder: Path) -> _Gone:
    erased, recoveries = bytearray(), []
    for index, content in entries_of_export(folder):
        leaf = Leaf.decode(content)
        if leaf.type == ERASURE_TYPE:
            for one in Erasure.read(index, leaf).erased:
                erased[one] = 1
        elif leaf.type == RECOVERY_TYPE:
            recoveries.append(Recovery.read(index, leaf))
        erased.append(0)
    return _Gone(erased, opens_from(recoveries, MASTER_KEY_FILE))


class _Bundle(io.BufferedIOBase):
    """Takes the lines of a bundle as they are decrypted: one for each entry of its scope."""

    def __init__(
        self,
        scope: Iterator[tuple[int, Leaf]],
        done: Disclosed,
        gone: _Gone,
        take: Callable[[int, Unsealed], object],
    ) -> None:
        self._scope = scope
        self._done = done
        self._gone = gone
        self._take = take
        self._held = bytearray()

    def read_from(self, path: Path, reader: x25519.Identity) -> None:
        """Decrypt a file, and tell what is wrong with it."""
        with suppress(OSError, DecryptError):  # then lines are missing
            with path.open("rb") as file:
                decrypt_io(file, self, [reader])
            if self._held:
                self._wrong(None, "a line of sealed parts has no end", "密封部分的一行没有结尾")
        for index, _ in self._scope:
            self._wrong(index, "its sealed part is missing, or was changed", "密封部分缺失或被改动")

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer
        begun = len(self._held)
        self._held += data
        while (end := self._held.find(b"\n", begun)) >= 0:
            self._line(bytes(self._held[:end]))
            del self._held[: end + 1]
            begun = 0
        if len(self._held) > _LINE_BYTES:
            raise OSError("no line of sealed parts is as long")
        return len(data)

    def _line(self, line: bytes) -> None:
        index, leaf = next(self._scope, (None, None))
        if index is None or leaf is None:
            self._wrong(None, "there is more than what is on record", "多于记录所准予的范围")
            return
        try:
            said = decode(line)
        except ValueError:
            said = {}
        match said:
            case {"index": int(at), "erased": True} if at == index and self._gone.erased[index]:
                self._done.erased += 1
            case {"index": int(at), "lost": True} if at == index < self._gone.opens_from:
                self._done.lost += 1
            case {"index": int(at)} if at == index and (unsealed := _unsealed(leaf, said)):
                self._done.opened += 1
                self._take(index, unsealed)
            case _:
                self._wrong(
                    index,
                    "its sealed part is not what was recorded, or nothing says why it is gone",
                    "密封部分已非所记，或其缺失没有删除记录说明",
                )

    def _wrong(self, index: int | None, what: str, zh: str) -> None:
        self._done.problems.append(Problem(index, what, zh))


def _unsealed(leaf: Leaf, said: Mapping[str, Json]) -> Unsealed | None:
    """The sealed part, if all that its leaf commits to is what is here."""
    try:
        key, content, salt, links = (
            from_base64(str(said.get(name, "")))
            for name in ("key", "content", "links_salt", "links")
        )
        unsealed = unseal_with(key, leaf.id, content)
        found = (
            digest_of(content),
            commitment(unsealed.subject_proof_key, unsealed.subject),
            commitment(unsealed.notice_proof_key, unsealed.notice),
            commitment(salt, links.decode()),
        )
    except (ValueError, TamperedError):
        return None
    committed = (
        leaf.sealed_digest,
        leaf.subject_commitment,
        leaf.notice_commitment,
        leaf.links_commitment,
    )
    return unsealed if found == committed else None


def _told(folder: Path) -> tuple[int, Disclosure]:
    """What an export says it discloses, as the entry on record has it."""
    try:
        said = decode((folder / SEALED_FILE).read_bytes())
    except (OSError, ValueError):
        said = {}
    index = said.get("disclosure")
    if said.get("schema") != SEALED_SCHEMA or not isinstance(index, int):
        raise StoreRefusedError(
            "the export has no sealed parts",
            zh="导出中没有密封部分；请由审计人员准予（`miaopi audit disclose`），"
            "再以 `miaopi audit export --disclosure` 导出",
            reason="NOT_DISCLOSED",
            hint="Put a disclosure on record with `miaopi audit disclose`, then export with"
            " `--disclosure`.",
        )
    content = next((leaf for at, leaf in entries_of_export(folder) if at == index), None)
    return index, _on_record(index, content)


def _on_record(index: int, content: bytes | None) -> Disclosure:
    try:
        if content is None:
            raise ValueError("no entry")  # noqa: TRY301  # one refusal for both
        return Disclosure.read(index, Leaf.decode(content))
    except ValueError:
        raise StoreRefusedError(
            f"entry `{index}` puts no disclosure on record",
            zh=f"第 {index} 条不是准予披露的记录；请由审计人员以 `miaopi audit disclose` 记入",
            reason="NOT_DISCLOSED",
            hint="Have an auditor put it on record with `miaopi audit disclose`, and give the index"
            " that it prints.",
        ) from None


def _unfit(index: int) -> TamperedError:
    return TamperedError(
        f"the sealed part of entry `{index}` is not what was recorded",
        zh=f"第 {index} 条的密封部分已非所记；请先对该库运行 `miaopi audit verify` 查明",
        reason="SEAL_BROKEN",
        hint="Run `miaopi audit verify` on the store itself, and keep it as evidence.",
    )


def _overtaken() -> StoreRefusedError:
    return StoreRefusedError(
        "something was erased in the very moment of the export",
        zh="导出的同时有内容被删除，未留下半份；请再导出一次",
        reason="EXPORT_OVERTAKEN",
        hint="Export it again; nothing is left of this one.",
    )


def _for_somebody_else() -> StoreRefusedError:
    return StoreRefusedError(
        "the sealed parts are encrypted to somebody else than this identity",
        zh="密封部分不是加密给该私钥的；请用准予披露时所给公钥对应的私钥",
        reason="IDENTITY_WRONG",
        hint="Use the identity whose public key was put on record.",
    )

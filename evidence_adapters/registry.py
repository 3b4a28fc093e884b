"""Which registers there are: every file of a folder, checked whole before any of them is used."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from decision_service.datafile import DataFile, Fault, Keys, UnfitFileError
from decision_service.errors import InvalidPublicationError
from decision_service.model import Concept, EvidenceType, Meaning
from evidence_adapters import normalise, possible
from evidence_adapters.register import Register, faults

PACKAGED = Path(__file__).parent / "registers"
"""The registers of the sample city."""


def load(
    folder: Path | None = None, meanings: Mapping[Concept, Meaning] | None = None
) -> Mapping[EvidenceType, Register]:
    """Read every ``<key>.toml`` of the folder.

    Args:
        folder: The city's ``registers/``. None: those of the sample city.
        meanings: What concepts are in the city. None: nothing is held against them.

    Raises:
        InvalidPublicationError: There is no file, or any of them has any fault; all are named.
    """
    registers, found = read(folder, meanings)
    if found:
        raise InvalidPublicationError(
            f"the registers cannot be used: {'; '.join(found)}",
            zh=f"登记册配置有 {len(found)} 处错误：{'；'.join(found)}",
            reason="REGISTER_INVALID",
            hint="Correct every fault in the register files named and start again.",
            faults="; ".join(found),
        )
    return registers


def read(
    folder: Path | None = None, meanings: Mapping[Concept, Meaning] | None = None
) -> tuple[Mapping[EvidenceType, Register], Sequence[str]]:
    """The same, with everything that is wrong in place of a refusal."""
    registers: dict[EvidenceType, Register] = {}
    found: list[str] = []
    paths = sorted((folder or PACKAGED).glob("*.toml"))
    for path in paths:
        register, wrong = _read(path)
        found += wrong
        if register is not None:
            registers[register.key] = register
    found += _two_sources(registers, all_read=len(registers) == len(paths))
    if meanings and not found:
        found += _impossible(registers, {path.stem: path for path in paths}, meanings)
    return registers, found if paths else [_NO_FILE]


_NO_FILE = "没有登记册文件，请补上 | there is no register file: add one"


def _read(path: Path) -> tuple[Register | None, list[str]]:
    """One file and all that is wrong with it; a register only if its form is right."""
    content = path.read_bytes()
    try:
        file = DataFile.open(path, path.name, "REGISTER_INVALID")
        whole = {**file.table, "digest": hashlib.sha256(content).hexdigest()}
        register = file.read(Register, "REGISTER_INVALID", whole)
    except UnfitFileError as error:
        return None, [_told(path, fault) for fault in error.faults]
    wrong = [*faults(register), *normalise.schema_faults(register)]
    if register.key != path.stem:
        wrong.append(
            (
                ("key",),
                f"{register.key} 不是文件名，请改为一致",
                f"`{register.key}` is not the file's name: write the same in both",
            )
        )
    return register, [_told(path, _named(file, *one)) for one in wrong]


def _named(file: DataFile, keys: Keys, zh: str, en: str) -> Fault:
    """A fault of a part of a file, with the part's name."""
    at = ".".join(map(str, keys))
    return file.fault(keys, f"`{at}`：{zh}", f"`{at}`: {en}") if at else file.fault(keys, zh, en)


def _told(path: Path, fault: Fault) -> str:
    """A fault with its file and place, in both languages."""
    at = ":".join(map(str, (path.name, *(fault.place or ()))))
    return f"`{at}`: {fault.zh} | {fault.en}"


def _impossible(
    registers: Mapping[EvidenceType, Register],
    paths: Mapping[str, Path],
    meanings: Mapping[Concept, Meaning],
) -> Iterator[str]:
    """What registers say and what concepts cannot be, each with its line and in both languages."""
    vouching = {concept: one for one in registers.values() for concept in one.concepts}
    for key, register in registers.items():
        text = paths[key].read_text(encoding="utf-8")
        for fault in possible.faults(register, text, vouching, meanings):
            yield _told(paths[key], fault)


def _two_sources(registers: Mapping[EvidenceType, Register], *, all_read: bool) -> Iterator[str]:
    """One concept, one source (一数一源); who knows of it besides can only put it in doubt."""
    vouched: dict[str, str] = {}
    for key, register in registers.items():
        for concept in register.concepts:
            if concept in vouched:
                yield (
                    f"`{concept}`: 由 {vouched[concept]} 和 {key} 两处提供，请删去一处 | "
                    f"both `{vouched[concept]}` and `{key}` vouch for it: delete one"
                )
            vouched[concept] = key
    for key, register in registers.items() if all_read else ():
        for concept in register.doubts.keys() - vouched.keys():
            yield (
                f"`{concept}`: {key} 用于核对，而没有登记册提供，请补上或删去 | "
                f"`{key}` doubts it, but no register vouches for it: add one, or delete it"
            )

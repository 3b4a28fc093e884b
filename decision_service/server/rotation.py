"""Files that an operator replaces while the service runs: keys, certificates, secrets."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from decision_service.errors import DecisionServiceError

log = structlog.get_logger()


async def follow(
    files: Sequence[Path],
    use: Callable[[Sequence[bytes]], None],
    *,
    in_use: Sequence[bytes],
    look_every_s: float = 1.0,
    told: Callable[[bool], None] = lambda _: None,
    **about: str,
) -> None:
    """Use the files' content whenever it has changed, until cancelled.

    Content counts once two looks have found the same, so that none is used that is still being
    written. What is refused, or a file that cannot be read, leaves in use what was; an operator is
    told once. Files that belong together may be replaced one after the other: the pair in between
    is refused, the pair at the end is used.

    Args:
        use: Takes the content of every file at once; raises `DecisionServiceError` to refuse it.
        in_use: The content that is in use already.
        look_every_s: Seconds between two looks.
        told: Hears of every change whether it is used.
        about: What else the operator reads of it; no secret.
    """
    about_it: Mapping[str, object] = {"files": [path.name for path in files], **about}
    before: Sequence[bytes] | str = in_use
    seen = before
    while True:
        await asyncio.sleep(look_every_s)
        found = await asyncio.to_thread(_read, files)
        if found == seen or found != before:
            before = found
            continue
        seen = found
        if why := _refused(found, use):
            log.error("file.refused", **about_it, reason=why)
        else:
            log.info("file.replaced", **about_it)
        told(not why)


def _refused(found: Sequence[bytes] | str, use: Callable[[Sequence[bytes]], None]) -> str:
    """Use what was found, or say in a word why not; keys are secrets, so nothing else is told."""
    if isinstance(found, str):
        return found
    try:
        use(found)
    except DecisionServiceError as error:
        return error.reason
    return ""


def _read(files: Sequence[Path]) -> Sequence[bytes] | str:
    """The content of every file; why not, where one cannot be read."""
    try:
        return [path.read_bytes() for path in files]
    except OSError as error:
        return type(error).__name__

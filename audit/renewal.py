"""Giving a trail a new master key, while no service holds it.

What was erased can still be opened with an older backup and the master key of its day. So the
master key is renewed, best daily and after every erasure: every living key is wrapped anew, and the
old master key is destroyed. A service does the same while it runs (`audit.trail.renewer`).
"""

from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from audit.errors import NotRecordedError, StoreRefusedError
from audit.log import connections
from audit.log.connections import DATABASE_FILE
from audit.log.log import refuse_missing
from audit.trail import Trail

_AT_ONCE = 50_000
"""Keys between two looks at whether it is done."""


async def renew(folder: Path, *, now: datetime, anchor: Path | None = None) -> int:
    """Renew the master key, or end a renewal that was cut short; on record as ``key/1``.

    Args:
        anchor: Where the anchor lies; by default in the folder.

    Returns:
        Index of the entry that tells of its end.

    Raises:
        StoreRefusedError: A process holds the store, it must not be opened as it is, or the
            disk failed; nothing is lost, and it goes on when it is run again.
    """
    refuse_missing(folder)
    try:
        if (folder / DATABASE_FILE).exists():
            with connections.at(folder).alone():
                pass  # services of other folders would not find the new key
        async with Trail.open(folder, anchor=anchor) as trail:
            index = None
            while index is None:
                done = await trail.renew_master_key(time=now, told={}, most=_AT_ONCE)
                index = done.index
    except (NotRecordedError, OSError, SQLAlchemyError) as error:
        raise _unfinished() from error
    return index


def _unfinished() -> StoreRefusedError:
    return StoreRefusedError(
        "the disk failed before the master key was renewed",
        zh="磁盘出错，主密钥未更换完毕；请检查磁盘后启动服务或再次运行，记录与密钥均未丢失",
        reason="RENEWAL_UNFINISHED",
        hint="Look at the disk, then start the service or run it again; nothing is lost.",
    )

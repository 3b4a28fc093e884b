"""What an export is made of beside the tiles (``docs/export.md``)."""

from typing import Final

from audit.log.tiles import tile_path

EXPORT_FILE: Final = "export.json"
EXPORT_SCHEMA: Final = "miaopi.export/1"
READ_ME_FILE: Final = "README.md"
EARLIER_KEYS_FILE: Final = "earlier-verifier-keys"
RELEASES_FOLDER: Final = "releases"
RELEASE_DIGEST: Final = "[0-9a-f]{64}"
"""How entries name a release: SHA-256 of its archive."""

SEALED_FOLDER: Final = "sealed"
SEALED_FILE: Final = f"{SEALED_FOLDER}/sealed.json"
SEALED_SCHEMA: Final = "miaopi.sealed/1"


def sealed_path(position: int) -> str:
    """Where the sealed parts of a bundle of entries lie, e.g. ``sealed/x001/234.age``."""
    return f"{tile_path('', position).replace('tile/', SEALED_FOLDER, 1)}.age"


READ_ME: Final = """\
# 决定记录导出 | Export of a decision trail

本目录是决定记录中永久保存的部分，任何人不用本系统的程序即可查验；除已加密的 `sealed/` 外
不含个人信息。
This folder is what a decision trail keeps for ever. Anybody can verify it without the program that
wrote it, and nothing but `sealed/`, which is encrypted, tells about who.

* `checkpoint`：已签检查点，即这份记录的承诺。请向主管部门公布的公钥核对 `verifier.key`。
  The signed checkpoint: all that follows is what it commits to. Compare `verifier.key` with the
  public key that the authority publishes.
* `tile/`：哈希块与记录（C2SP tlog-tiles）。Hashes and entries (C2SP tlog-tiles).
* `releases/`：作出决定所依据的规则，文件名即其 SHA-256，与记录中的 `release_digest` 对应。
  The rules that decisions were made under; a file's name is its SHA-256, and entries name it as
  `release_digest`.
* `earlier-verifier-keys`：恢复之前用过的公钥，没有则无此文件。
  Public keys from before a recovery; absent if there are none.

* `sealed/`：密封部分，只加密给一名审计人员（准予者见 `sealed.json` 所指记录）；通常没有此目录。
  Sealed parts, encrypted to one auditor alone (the entry that `sealed.json` names says to whom);
  usually there is no such folder.

规格 Specification: `docs/export.md`；查验程序 A verifier of 150 lines: `docs/verify_export.py`；
或 or `miaopi audit verify --store DIR`。
"""

"""From what happened to what is written: an entry sealed, committed to, encoded, projected."""

from collections.abc import Collection
from os import urandom

from audit.errors import NotRecordedError
from audit.trail.entries import Entry, Leaf, Links, case_json, time_text
from audit.trail.projections import CHARACTERS, Projected, Row, can_be_asked
from audit.trail.seal import KEY_BYTES, Keyring, commitment

_KEYS_AN_ENTRY = 64
_KEY_CHARACTERS = 255


def prepare(keyring: Keyring, entry: Entry, keys: Collection[str]) -> tuple[bytes, Row]:
    """Everything of the entry but its index: sealed, committed to, and encoded.

    Raises:
        NotRecordedError: It is too large, or outside the profile of `canonical`.
    """
    if len(keys) > _KEYS_AN_ENTRY or max(map(len, keys), default=0) > _KEY_CHARACTERS:
        raise NotRecordedError(
            f"the entry has more than {_KEYS_AN_ENTRY} keys, or one that is too long",
            zh=f"记录的键超过 {_KEYS_AN_ENTRY} 个，或有的键过长；请用标签，每键至多 "
            f"{_KEY_CHARACTERS} 字符",
            reason="ENTRY_TOO_LARGE",
            hint=f"Use tags, which are short; a key has at most {_KEY_CHARACTERS} characters.",
        )
    sealed = keyring.seal(entry.id, sealed=entry.sealed, subject=entry.subject, notice=entry.notice)
    links = Links(sealed.subject_key.tag, sorted(keys))
    salt, content = urandom(KEY_BYTES), links.encode()
    leaf = Leaf(
        type=entry.type,
        id=entry.id,
        said_time=time_text(entry.time),
        permanent=entry.permanent,
        said_case={} if entry.case is None else case_json(entry.case),
        sealed_digest=sealed.digest,
        subject_commitment=sealed.subject_commitment,
        notice_commitment=sealed.notice_commitment,
        links_commitment=commitment(salt, content.decode()),
    )
    written, projected = leaf.encode(), Projected.of(leaf, links)
    if not (projected.can_be_asked and can_be_asked(keys)):
        raise _not_projectable()
    return written, Row(projected, salt, content, sealed)


def _not_projectable() -> NotRecordedError:
    return NotRecordedError(
        f"a text to be queried has more than {CHARACTERS} characters, or U+0000",
        zh=f"供查询的文字超过 {CHARACTERS} 字符，或含 U+0000；请用代码，其余密封",
        reason="ENTRY_INVALID",
        hint="Use codes where entries are found by them; what explains belongs in the sealed part.",
    )

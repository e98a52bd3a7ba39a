"""The digest of a plan: what was approved, to be compared with what would be done."""

import hashlib


def plan_digest(*parts: str) -> str:
    """A digest of `parts`, in order."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(b"%d:%b" % (len(data), data))
    return digest.hexdigest()

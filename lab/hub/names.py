"""What a student types, and the short safe name that everything of theirs goes by."""

import base64
import hashlib
import re
import unicodedata

# A folder's name, a container's, a label of an address: 20 letters, a dash, 50 bits of a hash.
KEY = re.compile(r"[a-z][a-z0-9-]{0,19}-[a-z2-7]{10}")
_SLUG = 20
_HASH = 10
# Signs that Latin, Greek and Cyrillic letters carry; those of other scripts are part of a letter.
_ACCENTS = ("\u0300", "\u036f")


def normal_login(typed: str) -> str:
    """A login as it is compared: how letters are stored, their case, spaces around it and signs
    that nobody sees make no difference.

    A letter of another alphabet stays another letter, however alike the two look.
    Source: Unicode 16, section 3.13, toNFKC_Casefold.
    """
    text, before = typed, ""
    while text != before:
        before = text
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
        text = "".join(c if not c.isspace() else " " for c in text)
        text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
        text = " ".join(text.split())
    return text


def key_of(login: str) -> str:
    """The key of a login: always the same for it, and another for every other login.

    What is readable of it comes first; the hash behind it is what tells students apart, on file
    systems without upper case too.
    """
    normal = normal_login(login)
    digest = hashlib.sha256(normal.encode()).digest()
    mark = base64.b32encode(digest).decode().lower()[:_HASH]
    slug = _plain(normal)
    if not slug[:1].isalpha():
        slug = f"s-{slug}"
    return f"{slug[:_SLUG].strip('-')}-{mark}"


def login_from(name: str) -> str:
    """A login for a student of whom only the name is known: `Ana García` is `ana.garcia`."""
    letters = unicodedata.normalize("NFD", normal_login(name))
    kept = (c for c in letters if not _ACCENTS[0] <= c <= _ACCENTS[1])
    words = "".join(c if c.isalnum() or unicodedata.combining(c) else " " for c in kept).split()
    return normal_login(".".join(words))


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")

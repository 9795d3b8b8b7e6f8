"""What makes two threads one case: a quote, a link in common, or nearly the same words.

Law of this file: a thread is known by a few hashes (its root, what that quotes, where it is and where it
leads) and by the beginning of its root's text. Two threads of a brand that share a hash, or whose texts are
near duplicates, are about the same thing, wherever they are. A link that leads to a site as a whole says
nothing. Pure: nothing is fetched, so a shortened address is the address of the shortener.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from streams.canned import Signature, bare_words, signature
from streams.mention import Mention, hash64
from streams.thread import Thread

__all__ = ["alike", "canonical", "refs_of", "told_refs", "words_of"]

_REFS: Final = 24  # of one thread
_LONGEST: Final = 2048
_LEAST_WORDS: Final = 8  # of a text that may be a duplicate: "this is a disgrace" is everybody's
_SIMILARITY: Final = 0.6  # of words and word pairs, as for a brand's templates (`streams.canned`)
_LINK: Final = re.compile(r"https?://[^\s<>\"']{4,2048}")
_HOSTS: Final = re.compile(r"^(?:www\d?|m|mobile|amp|old|new)\.(?=[^.]+\.)")
_CAMPAIGN: Final = re.compile(
    r"(?:utm_\w+|mc_\w+|\w*clid|igshid|igsh|ref|ref_\w+|cmpid|share|source|feature|si|_ga|amp)\Z"
)
_AMP_END: Final = re.compile(r"(?:/amp|\.amp)+\Z")
_STATUS: Final = re.compile(r"/(?:i/web|i|[^/]+)/status/(\d+)")
_VIDEO: Final = re.compile(r"/(?:shorts|embed|live|v)/([\w-]{6,})")


def canonical(url: str) -> str:
    """One spelling of an address, without its scheme: host and path, and what of the query tells pages apart.

    Dropped are what only says how somebody came (utm_*, fbclid and the like), mobile and AMP forms,
    fragments, ports of the scheme. "" for what is no web address, or leads to a site as a whole.
    """
    if len(url) > _LONGEST:
        return ""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").rstrip(".")
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or "." not in host:
        return ""
    path, query = parts.path, parts.query
    if host.endswith(".cdn.ampproject.org") or (host.startswith("www.google.") and path.startswith("/amp/")):
        inner = re.sub(r"^/(?:amp|c|v)/(?:s/)?", "", path)
        return canonical(f"https://{inner}?{query}") if "/" in inner and inner != path.lstrip("/") else ""
    while (bare := _HOSTS.sub("", host)) != host:
        host = bare
    path = _AMP_END.sub("", path.rstrip("/"))
    pairs = [(name, value) for name, value in parse_qsl(query) if not _CAMPAIGN.match(name.lower())]
    host, path, pairs = _platform(host, path, pairs)
    if not path and not pairs:
        return ""
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        host += f":{port}"
    return host + path + (f"?{urlencode(sorted(pairs))}" if pairs else "")


def _platform(host: str, path: str, pairs: list[tuple[str, str]]) -> tuple[str, str, list[tuple[str, str]]]:
    """The forms that the big platforms have for one and the same thing."""
    if host == "youtu.be" and len(path) > 1:
        return "youtube.com", "/watch", [("v", path[1:])]
    if host in ("youtube.com", "youtube-nocookie.com"):
        if found := _VIDEO.match(path):
            return "youtube.com", "/watch", [("v", found[1])]
        if path == "/watch":
            return "youtube.com", path, [pair for pair in pairs if pair[0] == "v"]
    if host in ("twitter.com", "x.com"):
        found = _STATUS.match(path)
        return ("x.com", f"/i/status/{found[1]}", []) if found else ("x.com", path, [])
    return host, path, pairs


def refs_of(root: Mention) -> tuple[int, ...]:
    """What a thread's root quotes and where it leads, as 63-bit hashes; () for most."""
    text = root.text
    if not root.quoted_id and not root.links and "://" not in text:
        return ()
    links = (canonical(one) for one in (root.links or _LINK.findall(text))[:_REFS])
    names = (root.quoted_id, *links)
    return tuple(dict.fromkeys(hash64(one) for one in names if one))[:_REFS]


def told_refs(thread: Thread, thread_id: str) -> tuple[str, ...]:
    """What an alert tells of a thread: hashes of its root, of its address, and of `refs_of` its root."""
    own = thread_id.removesuffix(f"#{thread.brand}")  # of a thread that several brands have
    address = canonical(thread.url)
    names = (hash64(own), *((hash64(address),) if address else ()), *thread.refs)
    return tuple(f"{one:016x}" for one in dict.fromkeys(names))


def words_of(text: str) -> Signature | None:
    """What nearly the same words are told by; None for a text of fewer than eight."""
    words = bare_words(text)
    return signature(words) if len(words) >= _LEAST_WORDS else None


def alike(one: Signature | None, other: Signature | None) -> bool:
    """Whether two texts are nearly the same: Jaccard similarity of words and word pairs >= 0.6."""
    if one is None or other is None:
        return False
    common = len(one & other)
    return common >= _SIMILARITY * (len(one) + len(other) - common)

"""Bodies of answers, read and decompressed within a limit."""

import zlib
from collections.abc import Iterable

from gofannon.lib.http.errors import InvalidAnswer, TooLarge

_GZIP_MAGIC = b"\x1f"


def read_body(chunks: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """At most `limit` bytes, decompressed; `encoding` is the value of Content-Encoding. Raises TooLarge, InvalidAnswer.

    The compressed bytes are limited too: blocks that expand to nothing could come for ever.
    """
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise InvalidAnswer("the answer is compressed in a way that was not asked for")
    gzip = Gunzip() if encoding.endswith("gzip") else None
    body = bytearray()
    arrived, most = 0, limit + (limit >> 10) + 4096
    for chunk in chunks:
        arrived += len(chunk)
        body += gzip.expand(chunk, limit - len(body) + 1) if gzip else chunk
        if len(body) > limit or arrived > most:
            raise TooLarge(f"the answer has more than {limit} bytes")
    if gzip and arrived and not gzip.complete:
        raise InvalidAnswer("the answer's compressed body ends early")
    return bytes(body)


class Gunzip:
    """Decompresses gzip, member after member, and never more than is asked for."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def complete(self) -> bool:
        return self._member.eof

    def expand(self, data: bytes, most: int) -> bytes:
        """The next bytes, at most `most` (1 or more); what is left over then is lost. Raises InvalidAnswer."""
        found = bytearray()
        while data and len(found) < most:
            if self._member.eof:
                if not data.startswith(_GZIP_MAGIC):
                    break  # padding behind the last member
                self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                found += self._member.decompress(data, most - len(found))
            except zlib.error:
                raise InvalidAnswer("the answer's compressed body is damaged") from None
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return bytes(found)

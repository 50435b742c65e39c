"""The part of WebSocket framing that is read and written here (RFC 6455, section 5.2)."""

_LENGTH_BYTES = {126: 2, 127: 8}
_MASK_BYTES = 4


class FrameCounter:
    """Counts the frames that begin in a stream of bytes, however it is cut into pieces.

    It checks nothing: the reader of the frames ends a malformed stream.
    """

    def __init__(self) -> None:
        self._header = bytearray()
        self._to_skip = 0

    @property
    def is_between(self) -> bool:
        """True if the next byte begins a frame."""
        return not self._header and not self._to_skip

    def count(self, data: bytes) -> int:
        """How many frames begin in `data`, the next piece of the stream."""
        begun = at = 0
        while at < len(data):
            if self._to_skip:
                skipped = min(self._to_skip, len(data) - at)
                self._to_skip -= skipped
                at += skipped
                continue
            begun += not self._header
            missing = self._header_bytes_missing()
            self._header += data[at : at + missing]
            at += min(missing, len(data) - at)
            if not self._header_bytes_missing():
                self._to_skip = _payload_length(self._header)
                self._header.clear()
        return begun

    def _header_bytes_missing(self) -> int:
        """How many bytes of this header are missing, as far as is known yet."""
        if len(self._header) < 2:
            return 2 - len(self._header)
        second = self._header[1]
        mask = _MASK_BYTES if second & 0x80 else 0
        return 2 + _LENGTH_BYTES.get(second & 0x7F, 0) + mask - len(self._header)


def _payload_length(header: bytearray) -> int:
    short = header[1] & 0x7F
    extended = _LENGTH_BYTES.get(short, 0)
    return int.from_bytes(header[2 : 2 + extended]) if extended else short


def close_frame(code: int) -> bytes:
    """A server's close frame with this code and no reason text."""
    return b"\x88\x02" + code.to_bytes(2)

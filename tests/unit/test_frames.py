"""Frames are counted by their headers, however the stream is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameProtocol

from orderengine.api.updates.frames import FrameCounter, close_frame
from tests.frames import frame

LENGTHS = st.sampled_from([0, 1, 5, 125, 126, 127, 1000, 65_535, 65_536, 70_000])


@given(
    frames=st.lists(st.tuples(LENGTHS, st.booleans()), max_size=8),
    cuts=st.lists(st.integers(min_value=1, max_value=9000), max_size=40),
)
def test_each_frame_counts_once_whatever_the_pieces(
    frames: list[tuple[int, bool]], cuts: list[int]
) -> None:
    stream = b"".join(frame(0x1, b"x" * length, masked=masked) for length, masked in frames)
    counter = FrameCounter()
    begun = 0
    for cut in cuts:
        begun += counter.count(stream[:cut])
        stream = stream[cut:]
    assert begun + counter.count(stream) == len(frames)


def test_a_header_counts_with_its_first_byte() -> None:
    counter = FrameCounter()
    stream = frame(0x9, b"") + frame(0x1, b"x" * 300)
    assert [counter.count(stream[at : at + 1]) for at in range(7)] == [1, 0, 0, 0, 0, 0, 1]


@given(st.binary(max_size=300))
def test_no_bytes_whatever_confuse_it(data: bytes) -> None:
    counter = FrameCounter()
    assert 0 <= counter.count(data) <= len(data)


@pytest.mark.parametrize("code", [CloseReason.TRY_AGAIN_LATER, CloseReason.POLICY_VIOLATION])
def test_a_close_frame_is_the_one_that_everybody_reads(code: CloseReason) -> None:
    assert close_frame(code) == FrameProtocol(client=False, extensions=[]).close(code)

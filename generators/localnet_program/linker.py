"""A linker for one object file of BPF: it writes the shared object that Solana's loader takes.

LLVM's own linker refuses machine type 247, and Solana's tool chain would be a download of its own.
The object has one section of code and calls system functions by name; it has no data.

Sources: the ELF specification (gABI, chapters 4 and 5) for the structures, and anza-xyz/sbpf
`src/elf.rs` for the dynamic section and the relocations that the loader reads.
"""

import struct
from dataclasses import dataclass
from itertools import accumulate

ENTRY = "entrypoint"
_CALL = 10
"""R_BPF_64_32: a call whose target the loader fills in by the symbol's name."""
_MACHINE = 247
_TEXT_AT = 0x120
"""After the file header and three program headers."""
_SECTIONS = (".text", ".dynamic", ".dynsym", ".dynstr", ".rel.dyn", ".shstrtab")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")


class LinkError(Exception):
    """The object holds something that this linker does not write, named in the message."""


@dataclass(frozen=True)
class _Section:
    name: str
    content: bytes
    link: int


@dataclass(frozen=True)
class _Code:
    text: bytes
    entry: int
    calls: tuple[tuple[int, str], ...]
    """Places of calls in the text, with the names of the system functions."""


def link(compiled: bytes) -> bytes:
    """The shared object of a relocatable object; raises LinkError."""
    code = _code_of(compiled)
    names = [ENTRY, *dict.fromkeys(name for _, name in code.calls)]
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    offsets = list(accumulate((len(name) + 1 for name in names), initial=1))
    symbols = bytes(_SYMBOL.size) + b"".join(
        _SYMBOL.pack(offset, 0x12, 0, 1, _TEXT_AT + code.entry, len(code.text))
        if name == ENTRY
        else _SYMBOL.pack(offset, 0x10, 0, 0, 0, 0)
        for name, offset in zip(names, offsets, strict=False)
    )
    relocations = b"".join(
        struct.pack("<QQ", _TEXT_AT + place, names.index(name) + 1 << 32 | _CALL)
        for place, name in code.calls
    )
    return _file(code, symbols, strings, relocations)


def _code_of(compiled: bytes) -> _Code:
    sections = {section.name: section for section in _sections_of(compiled)}
    for name, section in sections.items():
        if name.startswith((".rodata", ".data", ".bss")) and section.content:
            message = f"the section {name} is not empty: the program must hold no static data"
            raise LinkError(message)
    ordered = list(_sections_of(compiled))
    table = sections[".symtab"]
    strings = ordered[table.link].content
    symbols = [
        (_text_at(strings, name), value)
        for name, _, _, _, value, _ in _SYMBOL.iter_unpack(table.content)
    ]
    text = bytearray(sections[".text"].content)
    calls = []
    for place, info in struct.iter_unpack("<QQ", sections[".rel.text"].content):
        if info & 0xFFFFFFFF != _CALL:
            message = f"a relocation of type {info & 0xFFFFFFFF} at {place}: only calls are linked"
            raise LinkError(message)
        # A call whose immediate is -1 is one that the loader has to fill in.
        struct.pack_into("<i", text, place + 4, -1)
        text[place + 1] &= 0x0F
        calls.append((place, symbols[info >> 32][0]))
    entry = dict(symbols)[ENTRY]
    return _Code(bytes(text), entry, tuple(calls))


def _sections_of(compiled: bytes) -> list[_Section]:
    (table_at,) = struct.unpack_from("<Q", compiled, 40)
    count, names_index = struct.unpack_from("<HH", compiled, 60)
    headers = [
        _SECTION.unpack_from(compiled, table_at + _SECTION.size * index) for index in range(count)
    ]
    names_at = headers[names_index][4]
    return [
        _Section(_text_at(compiled, names_at + name), compiled[at : at + size], link)
        for name, _, _, _, at, size, link, _, _, _ in headers
    ]


def _text_at(content: bytes, offset: int) -> str:
    return content[offset : content.index(b"\0", offset)].decode()


def _file(code: _Code, symbols: bytes, strings: bytes, relocations: bytes) -> bytes:
    dynamic_at = _aligned(_TEXT_AT + len(code.text))
    symbols_at = dynamic_at + 8 * 16
    strings_at = symbols_at + len(symbols)
    relocations_at = _aligned(strings_at + len(strings))
    end = relocations_at + len(relocations)
    tags = (
        (17, relocations_at),  # DT_REL, its size, the size of one
        (18, len(relocations)),
        (19, 16),
        (6, symbols_at),  # DT_SYMTAB, the size of one
        (11, 24),
        (5, strings_at),  # DT_STRTAB, its size
        (10, len(strings)),
        (0, 0),
    )
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    section_names = b"\0" + b"".join(name.encode() + b"\0" for name in _SECTIONS)
    table_at = _aligned(end + len(section_names))
    image = bytearray(table_at)
    placed = (
        (_TEXT_AT, code.text),
        (dynamic_at, dynamic),
        (symbols_at, symbols),
        (strings_at, strings),
        (relocations_at, relocations),
        (end, section_names),
    )
    for at, content in placed:
        image[at : at + len(content)] = content
    sizes = [(at, len(content)) for at, content in placed]
    headers = _file_header(code, table_at) + _program_headers(sizes, end)
    image[: len(headers)] = headers
    return bytes(image) + _section_headers(section_names, sizes)


def _file_header(code: _Code, table_at: int) -> bytes:
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    return identity + struct.pack(
        "<HHIQQQIHHHHHH",
        *(3, _MACHINE, 1, _TEXT_AT + code.entry, 64, table_at, 0, 64, 56, 3, 64, 7, 6),
    )


def _program_headers(sizes: list[tuple[int, int]], end: int) -> bytes:
    (text_at, text_size), (dynamic_at, dynamic_size) = sizes[:2]
    parts = (
        (1, 5, text_at, text_size, 0x1000),  # PT_LOAD: code
        (1, 4, dynamic_at, end - dynamic_at, 0x1000),  # PT_LOAD: what the loader reads
        (2, 6, dynamic_at, dynamic_size, 8),  # PT_DYNAMIC
    )
    return b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, alignment)
        for kind, flags, at, size, alignment in parts
    )


def _section_headers(names: bytes, sizes: list[tuple[int, int]]) -> bytes:
    # Type, flags, link to another section, info, alignment, size of an entry.
    kinds = (
        (1, 6, 0, 0, 8, 0),
        (6, 3, 4, 0, 8, 16),
        (11, 2, 4, 1, 8, 24),
        (3, 2, 0, 0, 1, 0),
        (9, 2, 3, 0, 8, 16),
        (3, 0, 0, 0, 1, 0),
    )
    headers = bytes(_SECTION.size)
    for name, kind, (at, size) in zip(_SECTIONS, kinds, sizes, strict=True):
        type_, flags, linked, info, alignment, entry = kind
        address = at if flags else 0
        offset = names.index(name.encode() + b"\0")
        headers += _SECTION.pack(
            offset, type_, flags, address, at, size, linked, info, alignment, entry
        )
    return headers


def _aligned(offset: int) -> int:
    return (offset + 7) // 8 * 8

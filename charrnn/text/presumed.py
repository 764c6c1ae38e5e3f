"""In which encoding a text is read that is presumed to be in a certain one: that, or another in which it surely is.

A text that a person gives to a model may come from elsewhere than the model's corpus. What is read in a wrong encoding
is no text, and no measure of it means anything.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import BinaryIO

from charrnn.errors import CharrnnError
from charrnn.text.encoding import BLOCK, OPTION, check_is_text, codec_of, recognise_stream


def encoding_of(stream: BinaryIO, name: str, presumed: str, option: str = OPTION) -> str:
    """The encoding of a stream that messages call `name`: the one that is `presumed`, unless it surely is in another.

    `auto` presumes nothing. Raises CharrnnError where the text is not in the presumed encoding, and which other one it
    is in stays doubtful; its message says that one is given as `option`. Raises OSError.
    """
    if presumed == "auto":
        return recognise_stream(stream, name, option=option).name
    codec = codec_of(presumed, option)
    decodes, is_ascii = _decodes(stream, codec)
    if decodes and is_ascii and _keeps_ascii(codec):
        return presumed  # ASCII says nothing of an encoding
    try:
        found = recognise_stream(stream, name, codec, option).name
    except CharrnnError:
        if decodes:
            return presumed
        raise
    return presumed if _same(found, codec) else found


def encoding_of_file(file: Path, presumed: str, option: str = OPTION) -> str:
    """The encoding of a file, as `encoding_of` finds it."""
    check_is_text(file)
    try:
        with file.open("rb") as stream:
            return encoding_of(stream, str(file), presumed, option)
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None


def _decodes(stream: BinaryIO, codec: str) -> tuple[bool, bool]:
    """Whether a stream decodes, and whether all of it is ASCII."""
    stream.seek(0)
    decoder, is_ascii = codecs.getincrementaldecoder(codec)(), True
    try:
        while data := stream.read(BLOCK):
            is_ascii = is_ascii and data.isascii()
            decoder.decode(data)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False, is_ascii
    return True, is_ascii


def _keeps_ascii(codec: str) -> bool:
    """Whether ASCII letters are bytes of their own in an encoding, as they are not in UTF-16."""
    try:
        return "aZ".encode(codec) == b"aZ"
    except UnicodeError:
        return False


def _same(one: str, other: str) -> bool:
    """Whether two encodings are one, but for a mark at the beginning."""
    first, second = (codecs.lookup(name).name.removesuffix("-sig") for name in (one, other))
    return first == second

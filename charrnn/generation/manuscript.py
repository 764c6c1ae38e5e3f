"""The file of a text that is being written: nothing of others is replaced unasked."""

from __future__ import annotations

from pathlib import Path

from charrnn.errors import CharrnnError
from charrnn.files import new_file, read_given

MOST = 2**20
"""The most bytes of a file that is opened."""


class Manuscript:
    """A file, and what this session knows to be in it."""

    def __init__(self, file: str | Path = "", text: str | None = None) -> None:
        """No file, or one that holds a text; None for one that is not written yet."""
        self.file = str(Path(file).absolute()) if file else ""
        self.text = text

    @classmethod
    def open(cls, file: str | Path) -> Manuscript:
        """Reads a UTF-8 file, without the line end at its end. Raises CharrnnError for what is none, too large, or not
        UTF-8.
        """
        return cls(file, _read(Path(file)))

    def would_replace(self, file: str | Path) -> bool:
        """Whether to save there would replace what another has written: any file but this one as it was left here."""
        path = Path(file).absolute()
        if str(path) == self.file and self.text is not None and path.is_file():
            return _read(path) != self.text
        return path.exists() or path.is_symlink()

    def save(self, text: str, file: str | Path | None, replace: bool) -> Manuscript:
        """Writes a text into a file, by default into this one, with a line end at its end. Raises CharrnnError where
        that would replace another's text and is not to `replace` it, and where it cannot be written.
        """
        if not (file or self.file):
            raise CharrnnError("‹file›: where the text is to be saved")
        path = Path(file or self.file).absolute()
        if not replace and self.would_replace(path):
            raise CharrnnError(f"{path}: exists already; name another file, or give ‹replace=True›")
        with new_file(path, like=path if path.is_file() else path.parent, replace=replace or path.exists()) as out:
            out.write((text + _line_end(text)).encode("utf-8"))
        return Manuscript(path, text)


def _read(path: Path) -> str:
    try:
        text = read_given(path, MOST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CharrnnError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    return text.removesuffix(_line_end(text))


def _line_end(text: str) -> str:
    """What ends the last line of a text in a file: as the other lines end; nothing of an empty text."""
    return "" if not text else "\r\n" if "\r\n" in text else "\n"

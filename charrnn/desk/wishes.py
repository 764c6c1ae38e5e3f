"""A form of verse and what is wished of it, in one line: `wujue tones rhyme=東 acrostic=春夏秋冬`."""

from __future__ import annotations

from typing import Any

from charrnn.errors import CharrnnError

GRAMMAR = "a form, then tones, rhyme or rhyme=GROUP, acrostic=…, at=start|end|diagonal|N, words=…,…"


def read_wishes(line: str) -> dict[str, Any]:
    """The parameters of `Writer.set_form` that a line asks for; `{"form": None}` for an empty line.

    Raises CharrnnError for a word that is no wish.
    """
    form, *words = line.replace("\u3000", " ").split() or [""]
    if not form or form == "none":
        return {"form": None}
    wishes: dict[str, Any] = {"form": form}
    for word in words:
        name, given, value = word.replace("＝", "=").partition("=")
        if name == "tones" and not given:
            wishes["tones"] = True
        elif name == "rhyme" and (value or not given):
            wishes["rhyme"] = value or "any"
        elif name == "acrostic" and value:
            wishes["acrostic"] = value
        elif name == "at" and value:
            wishes["acrostic_at"] = int(value) if value.isascii() and value.isdigit() else value
        elif name == "words" and value:
            wishes["words"] = [one for one in value.replace("，", ",").split(",") if one]
        else:
            raise CharrnnError(f"{word}: {GRAMMAR}")
    return wishes


def show_wishes(wishes: dict[str, Any]) -> str:
    """The line that asks for such wishes; empty for none."""
    parts = [str(wishes.get("form") or "")]
    if wishes.get("tones"):
        parts.append("tones")
    if wishes.get("rhyme"):
        parts.append("rhyme" if wishes["rhyme"] == "any" else f"rhyme={wishes['rhyme']}")
    if wishes.get("acrostic"):
        parts.append(f"acrostic={wishes['acrostic']}")
    if wishes.get("acrostic_at", "start") != "start":
        parts.append(f"at={wishes['acrostic_at']}")
    if wishes.get("words"):
        parts.append("words=" + ",".join(wishes["words"]))
    return " ".join(parts)

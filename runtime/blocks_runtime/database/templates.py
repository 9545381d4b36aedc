"""What a template of `sql` says: stretches of text, and the slots between them; read once and remembered.

Two ways to write one: text with `{name}` or `{name:i}`, and from Python 3.14 on a t-string, `t"… {value}"`.
"""

from __future__ import annotations

from .sql_scanner import LINE_COMMENT, is_word, unclosed

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence
    from typing import Protocol, TypeGuard

    class Interpolation(Protocol):
        """One `{…}` of a t-string, as `string.templatelib` of Python 3.14 has it."""

        @property
        def value(self) -> object: ...
        @property
        def expression(self) -> str: ...
        @property
        def conversion(self) -> str | None: ...
        @property
        def format_spec(self) -> str: ...

    class TemplateString(Protocol):
        """What `t"…"` makes; a protocol, so that it can be named before Python 3.14."""

        @property
        def strings(self) -> tuple[str, ...]: ...
        @property
        def interpolations(self) -> tuple[Interpolation, ...]: ...


VALUE, IDENTIFIER, FRAGMENT = "", "i", "q"
"""What may follow the colon of a slot: nothing, or as in psycopg `i` for a name and `q` for a piece of SQL."""

_REMEMBERED = 1000  # templates are written in the code, so there are few; whoever formats them forgets them
_known: dict[Hashable, Pattern] = {}


class Pattern:
    """A template that was read: `texts` around `names`, each with the format of its slot in `formats`."""

    __slots__ = ("after_in", "formats", "given_as", "names", "plain", "text", "texts")

    def __init__(self, texts: tuple[str, ...], names: tuple[str, ...], formats: tuple[str, ...]) -> None:
        self.texts = texts
        self.names = names
        self.formats = formats
        self.given_as = frozenset(names)
        self.plain = not any(formats)
        self.text = numbered(texts)
        self.after_in = tuple([index for index, text in enumerate(texts[:-1]) if _ends_with_in(text)])
        """Which slots stand behind `IN` or `IN (`, where a list is not what it looks like."""


def pattern_of(template: str) -> Pattern:
    """Return what a template with `{name}` says.

    Raises:
        ValueError: a brace that neither opens nor closes a slot, an unknown format, or a slot inside a literal,
            a quoted name or a comment.
    """
    known = _known.get(template)
    if known is None:
        *stretches, (last, _) = _split(template)
        slots = [slot or ("", "") for _, slot in stretches]
        texts = [text for text, _ in stretches]
        known = _remember(template, [*texts, last], slots)
    return known


def pattern_of_tstring(template: TemplateString) -> Pattern:
    """Return what a t-string says, apart from its values; errors as of `pattern_of`.

    Raises:
        TypeError: a conversion such as `!r`, which would make text of the value.
    """
    parts = template.interpolations
    key = (template.strings, tuple([(part.expression, part.format_spec, part.conversion) for part in parts]))
    known = _known.get(key)
    if known is None:
        for part in parts:
            if part.conversion is not None:
                raise TypeError(
                    f"{{{part.expression}!{part.conversion}}} would make text of a value; "
                    f"write {{{part.expression}}}, so that it is bound"
                )
        slots = [(part.expression, part.format_spec) for part in parts]
        known = _remember(key, template.strings, slots)
    return known


def is_tstring(thing: object) -> TypeGuard[TemplateString]:
    """Say whether something is a t-string, without importing what defines them."""
    kind = type(thing)
    return kind.__name__ == "Template" and kind.__module__ == "string.templatelib"


def numbered(texts: Sequence[str]) -> str:
    """Return texts with `$1`, `$2`, … between them, kept apart from names and numbers on either side."""
    whole = texts[0]
    for number, text in enumerate(texts[1:], start=1):
        before = " " if whole and is_word(whole[-1]) else ""
        after = " " if text and is_word(text[0]) else ""
        whole += f"{before}${number}{after}{text}"
    return whole


def closed(text: str, slot: str | None = None) -> str:
    """Return a stretch of text after which a slot, or anything else, may stand.

    Raises:
        ValueError: it ends inside a literal, a quoted name or a comment, or holds a parameter such as `$1`.
    """
    inside = unclosed(text)
    if slot is not None and text.endswith("$"):
        raise ValueError(f"${{{slot}}}: the dollar sign would run into the parameter; write {{{slot}}}")
    if inside is None:
        return text
    if slot is None and inside == LINE_COMMENT:
        return text + "\n"  # so that it swallows nothing that is put after it
    if slot is None:
        raise ValueError(f"{inside} is never closed; close it within the same template")
    name = slot or "…"
    raise ValueError(
        f"{{{name}}} stands inside {inside}, where nothing can be bound; write it outside of the quotes"
        + (f", {{{name}:i}} for a name" if inside == "a quoted name" else "")
    )


def _ends_with_in(text: str) -> bool:
    words = text.rstrip(" \t\r\n(").split()
    return bool(words) and words[-1].lower() == "in"


def _remember(key: Hashable, texts: Sequence[str], slots: Sequence[tuple[str, str]]) -> Pattern:
    for name, form in slots:
        if form not in (VALUE, IDENTIFIER, FRAGMENT):
            raise ValueError(
                f"unknown format in {{{name}:{form}}}; write {{{name}}} for a value, which is always bound, "
                f"{{{name}:i}} for a name, or {{{name}:q}} for a piece of SQL"
            )
    names = tuple(name for name, _ in slots)
    after: Iterable[str | None] = (*names, None)
    known = Pattern(
        tuple(closed(text, slot) for text, slot in zip(texts, after, strict=True)),
        names,
        tuple(form for _, form in slots),
    )
    if len(_known) >= _REMEMBERED:
        _known.clear()
    _known[key] = known
    return known


def _split(template: str) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """Yield each stretch of text with the name and format of the slot that follows it, None at the end."""
    text, at = "", 0
    while at < len(template):
        opening, closing = template.find("{", at), template.find("}", at)
        brace = min(position for position in (opening, closing, len(template)) if position >= 0)
        text += template[at:brace]
        if brace == len(template):
            break
        if template[brace : brace + 2] in ("{{", "}}"):
            text += template[brace]
            at = brace + 2
            continue
        end = template.find("}", brace)
        name, _, form = template[brace + 1 : end].partition(":")
        if brace == closing or end < 0 or not name.isidentifier():
            raise ValueError(
                f"stray brace at character {brace + 1} of the template; write {{name}}, or double it"
            )
        yield text, (name, form)
        text, at = "", end + 1
    yield text, None

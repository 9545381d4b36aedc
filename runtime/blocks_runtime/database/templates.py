"""Parser of `sql` templates: texts and the placeholders between them, parsed once and cached.

A template is text with `{name}` or `{name:i}`, or from Python 3.14 on a t-string, `t"… {value}"`.
"""

from __future__ import annotations

from .sql_scanner import LINE_COMMENT, is_word, strip_literals, unclosed

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
        """Type of `t"…"`; a protocol, so that it can be named before Python 3.14."""

        @property
        def strings(self) -> tuple[str, ...]: ...
        @property
        def interpolations(self) -> tuple[Interpolation, ...]: ...


VALUE, IDENTIFIER, FRAGMENT = "", "i", "q"
"""Formats of a placeholder, after its colon; as in psycopg `i` is an identifier and `q` a fragment of SQL."""

_CACHED = (
    1000  # templates are literals in the code, so there are few; an app that formats them gains nothing here
)
_known: dict[Hashable, Pattern] = {}
_UNWATCHED = 20  # templates before their literals are compared, so that a start does not pay for it
_ALIKE = 10  # templates with other literals in the same text that are taken for a formatted one
_shapes: dict[str, int] = {}
_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))


class Pattern:
    """A parsed template: `texts` around `names`, with the format of each placeholder in `formats`."""

    __slots__ = ("after_in", "formats", "given_as", "names", "plain", "text", "texts")

    def __init__(self, texts: tuple[str, ...], names: tuple[str, ...], formats: tuple[str, ...]) -> None:
        self.texts = texts
        self.names = names
        self.formats = formats
        self.given_as = frozenset(names)
        self.plain = not any(formats)
        self.text = numbered(texts)
        self.after_in = tuple([index for index, text in enumerate(texts[:-1]) if _ends_with_in(text)])
        """Indexes of the placeholders after `IN` or `IN (`, where a list would be compared as one value."""


def pattern_of(template: str) -> Pattern:
    """Return the pattern of a template with `{name}`.

    Raises:
        ValueError: a stray brace, an unknown format, or a placeholder inside a literal, a quoted name or a comment.
    """
    known = _known.get(template)
    if known is None:
        *stretches, (last, _) = _split(template)
        slots = [slot or ("", "") for _, slot in stretches]
        texts = [text for text, _ in stretches]
        known = _remember(template, [*texts, last], slots)
        if len(_known) > _UNWATCHED:
            _watch(template)
    return known


def pattern_of_tstring(template: TemplateString) -> Pattern:
    """Return the pattern of a t-string, without its values; errors as of `pattern_of`.

    Raises:
        TypeError: a conversion such as `!r`, which would turn the value into text.
    """
    parts = template.interpolations
    key = (template.strings, tuple([(part.expression, part.format_spec, part.conversion) for part in parts]))
    known = _known.get(key)
    if known is None:
        for part in parts:
            if part.conversion is not None:
                raise TypeError(
                    f"{{{part.expression}!{part.conversion}}} would turn a value into text; "
                    f"write {{{part.expression}}}, so that it is bound"
                )
        slots = [(part.expression, part.format_spec) for part in parts]
        known = _remember(key, template.strings, slots)
    return known


def is_tstring(thing: object) -> TypeGuard[TemplateString]:
    """Return whether something is a t-string, without importing `string.templatelib`."""
    kind = type(thing)
    return kind.__name__ == "Template" and kind.__module__ == "string.templatelib"


def numbered(texts: Sequence[str]) -> str:
    """Return texts joined by `$1`, `$2`, …, separated by spaces from adjacent names and numbers."""
    whole = texts[0]
    for number, text in enumerate(texts[1:], start=1):
        before = " " if whole and is_word(whole[-1]) else ""
        after = " " if text and is_word(text[0]) else ""
        whole += f"{before}${number}{after}{text}"
    return whole


def closed(text: str, slot: str | None = None) -> str:
    """Return a text that may be followed by a placeholder or by other text.

    Raises:
        ValueError: it ends inside a literal, a quoted name or a comment, or holds a parameter such as `$1` or a NUL.
    """
    if "\0" in text:
        raise ValueError(
            "a template has a NUL character, at which the protocol ends the statement; remove it"
        )
    inside = unclosed(text)
    if slot is not None and text.endswith("$"):
        raise ValueError(f"${{{slot}}}: the dollar sign would become part of the parameter; write {{{slot}}}")
    if inside is None:
        return text
    if slot is None and inside == LINE_COMMENT:
        return text + "\n"  # ends the comment before the text that follows
    if slot is None:
        raise ValueError(f"{inside} is never closed; close it within the same template")
    name = slot or "…"
    outside = "the comment" if inside.endswith("comment") else "the quotes"
    raise ValueError(
        f"{{{name}}} stands inside {inside}, where nothing can be bound; write it outside of {outside}"
        + (f", {{{name}:i}} for a name" if inside == "a quoted name" else "")
    )


def _watch(template: str) -> None:
    """Warn if this is the tenth template that differs from the others in nothing but literals and digits.

    A literal in the code makes one template however often it runs. A text that is formatted makes one for each value.
    """
    shape = strip_literals(template).translate(_NO_DIGITS)
    _shapes[shape] = alike = _shapes.get(shape, 0) + 1
    if alike == _ALIKE:
        from ..warnings import FormattedTemplateWarning, place, warn

        warn(
            f"sql() at {place()} was given {alike} templates that differ only in their literals, so a value seems to "
            "be formatted into the text, which allows SQL injection; write {name} in the template, and pass name=…",
            FormattedTemplateWarning,
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
    if len(_known) >= _CACHED:
        _known.clear()
        _shapes.clear()
    _known[key] = known
    return known


def _split(template: str) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """Yield each text with the name and format of the placeholder that follows it, None at the end."""
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

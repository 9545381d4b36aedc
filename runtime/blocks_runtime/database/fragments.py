"""SQL with text and values kept apart, so that a value never becomes part of the text.

    sql("SELECT * FROM {table:i} WHERE id = {id}", table="accounts", id=account_id)
    sql(t"SELECT * FROM {table:i} WHERE id = {account_id}")                 # Python 3.14

A value is bound as a parameter (`$1`, `$2`, …), a list as one array: `id = ANY({ids})`. A fragment made by `sql` is
inserted with its own parameters; `{name:i}` is a quoted identifier. `{{` and `}}` are single braces. A placeholder
inside a literal, a quoted name or a comment is an error, and so is a fragment that leaves one open.
"""

from __future__ import annotations

from .templates import FRAGMENT, IDENTIFIER, closed, is_tstring, numbered, pattern_of, pattern_of_tstring

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import LiteralString, Never

    from .templates import Pattern, TemplateString

_NAME_LIMIT = 63  # bytes that PostgreSQL keeps of a name; it truncates a longer one silently
_NO_PIECES = frozenset((str, int, float, bool, bytes, list, tuple, dict, type(None)))
"""Types of most values, none of which is a fragment."""
_VALUE_LIMIT = 65_535  # parameters of one statement in the protocol


class Sql:
    """A fragment of SQL: `texts` around `values`, always one text more than values."""

    __slots__ = ("_text", "texts", "values")

    def __init__(
        self, texts: tuple[str, ...], values: tuple[object, ...] = (), text: str | None = None
    ) -> None:
        self.texts = texts
        self.values = values
        self._text = text

    @property
    def text(self) -> str:
        """The statement as the server receives it, with `$1`, `$2`, … for the values."""
        if self._text is None:
            self._text = numbered(self.texts)
        return self._text

    def __repr__(self) -> str:
        return f"Sql({self.text!r}, {len(self.values)} values)"


def quote_identifier(name: str) -> str:
    """Return a name as a quoted identifier.

    Raises:
        ValueError: the name is empty, holds a NUL, or is longer than the 63 bytes PostgreSQL keeps.
    """
    if not name or "\0" in name:
        raise ValueError(f"not a name of a database object: {name!r}; give a non-empty name without NUL")
    if len(name.encode()) > _NAME_LIMIT:
        raise ValueError(
            f"name is longer than {_NAME_LIMIT} bytes, PostgreSQL would truncate it: {name!r}; shorten it"
        )
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return text as a string literal, for statements without parameters (`AWS IAM GRANT`).

    Raises:
        ValueError: the text holds a NUL or a backslash, which no ARN has.
    """
    if "\0" in text or "\\" in text:
        raise ValueError(f"not allowed in a literal: {text!r}; remove NUL and backslash")
    return "'" + text.replace("'", "''") + "'"


class SqlFactory:
    """Type of `sql`: call it with a template and its values; its methods make identifiers and lists."""

    def __call__(self, template: LiteralString | TemplateString, /, *unnamed: Never, **values: object) -> Sql:
        """Return the statement for a template and its values.

        Args:
            template: text in which every `{name}` is one of `values`, or a t-string, which carries its values.
                A type checker with LiteralString refuses text that was composed at run time.
            unnamed: none; values have names.
            values: values to bind, each used at least once; a fragment is inserted instead, and for `{name:i}` a
                name, or a tuple of names (`("app", "accounts")`), is quoted.

        Raises:
            TypeError: a name without a value, a value without a name, a value that does not fit its placeholder, or a
                template that is not text.
            ValueError: a template that cannot be parsed (see `templates`), or an invalid name.
        """
        if unnamed:
            raise TypeError("sql() takes values by name: write {name} in the template, and pass name=…")
        if isinstance(template, str):
            pattern = pattern_of(template)
            return _filled(pattern, _in_order(pattern, values))
        if not is_tstring(template):
            raise TypeError(f"sql() takes a template as text, not {type(template).__name__}")
        if values:
            raise TypeError(f"a t-string carries its values; write them into it: {', '.join(sorted(values))}")
        return _filled(pattern_of_tstring(template), tuple([part.value for part in template.interpolations]))

    def identifier(self, *names: str) -> Sql:
        """Return a quoted name, or a qualified one: `sql.identifier("app", "accounts")`."""
        if not names:
            raise TypeError("sql.identifier() needs at least one name")
        return Sql((".".join(map(quote_identifier, names)),))

    def join(self, separator: LiteralString, items: Iterable[object]) -> Sql:
        """Return `items` joined by `separator`; a fragment is inserted, anything else is bound.

        Raises:
            ValueError: there are no items, as SQL has no empty list; or the separator leaves a quote open.
        """
        between = Sql((closed(separator),))
        pieces: list[object] = []
        for item in items:
            pieces += [between, item]
        if not pieces:
            raise ValueError("sql.join() was given no items; leave the clause out, or use = ANY({list})")
        return _concatenate(pieces[1:])


sql = SqlFactory()


def _in_order(pattern: Pattern, values: dict[str, object]) -> tuple[object, ...]:
    """Return the values in the order of their placeholders."""
    if tuple(values) == pattern.names:
        return tuple(values.values())
    try:
        given = tuple([values[name] for name in pattern.names])
    except KeyError as missing:
        name = missing.args[0]
        raise TypeError(f"sql() has no value for {{{name}}}; pass {name}=…") from None
    if len(values) > len(pattern.given_as):
        unused = sorted(values.keys() - pattern.given_as)
        raise TypeError(
            f"sql() was given {', '.join(unused)}, which the template never uses; "
            f"write {{{unused[0]}}} where it belongs"
        )
    return given


def _filled(pattern: Pattern, values: tuple[object, ...]) -> Sql:
    for index in pattern.after_in:
        if isinstance(values[index], (list, tuple, set, frozenset)):
            raise _list_after_in(pattern.names[index])
    if pattern.plain:
        for value in values:
            if type(value) not in _NO_PIECES and _is_piece(value):
                break
        else:
            return Sql(pattern.texts, values, pattern.text)
    pieces: list[object] = [Sql((pattern.texts[0],))]
    for name, form, value, text in zip(
        pattern.names, pattern.formats, values, pattern.texts[1:], strict=True
    ):
        pieces += [_slot(name, form, value), Sql((text,))]
    return _concatenate(pieces)


def _list_after_in(name: str) -> TypeError:
    """Return the error for a list that would be bound as one value, which equals no row."""
    return TypeError(
        f"IN ({{{name}}}) compares with one value, and a list is bound as one array; "
        f'write = ANY({{{name}}}), or IN ({{{name}}}) with {name}=sql.join(", ", …)'
    )


def _is_piece(value: object) -> bool:
    return isinstance(value, Sql) or is_tstring(value)


def _slot(name: str, form: str, value: object) -> object:
    """Return the content of a placeholder: an identifier, a fragment, or the value itself."""
    if form == IDENTIFIER:
        names = value if isinstance(value, tuple) else (value,)
        for each in names:
            if not isinstance(each, str):
                raise TypeError(f"{{{name}:i}} takes a name as text, not {type(each).__name__}")
        return sql.identifier(*names)
    if form == FRAGMENT and not _is_piece(value):
        raise TypeError(f"{{{name}:q}} takes a result of sql(), not {type(value).__name__}; write {{{name}}}")
    return value


def _concatenate(pieces: Iterable[object]) -> Sql:
    texts: list[str] = [""]
    values: list[object] = []
    for piece in pieces:
        if is_tstring(piece):
            piece = sql(piece)
        if isinstance(piece, Sql):
            texts[-1] += piece.texts[0]
            texts += piece.texts[1:]
            values += piece.values
        else:
            texts.append("")
            values.append(piece)
    if len(values) > _VALUE_LIMIT:
        raise ValueError(
            f"{len(values)} values in one statement, more than the {_VALUE_LIMIT} that PostgreSQL can count; "
            "bind a list, as in = ANY({list}), or use several statements"
        )
    return Sql(tuple(texts), tuple(values))

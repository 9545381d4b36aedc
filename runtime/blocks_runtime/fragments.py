"""SQL with its text and its values kept apart, so that no value can ever become text.

    sql("SELECT * FROM {table} WHERE id = {id}", table=sql.identifier("accounts"), id=account_id)

A value is bound as a parameter (`$1`, `$2`, …). A fragment made by `sql` is set in with its own parameters,
and an identifier is quoted. `{{` and `}}` stand for single braces.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import LiteralString

_NAME_LIMIT = 63  # bytes that PostgreSQL keeps of a name; it cuts a longer one without a word


class Sql:
    """A piece of SQL: `texts` around `values`, always one text more than values."""

    __slots__ = ("texts", "values")

    def __init__(self, texts: tuple[str, ...], values: tuple[object, ...] = ()) -> None:
        self.texts = texts
        self.values = values

    @property
    def text(self) -> str:
        """The statement as the server gets it, with `$1`, `$2`, … for the values."""
        if not self.values:
            return self.texts[0]
        numbered = (f"${number}{text}" for number, text in enumerate(self.texts[1:], start=1))
        return self.texts[0] + "".join(numbered)

    def __repr__(self) -> str:
        return f"Sql({self.text!r}, {len(self.values)} values)"


def quote_identifier(name: str) -> str:
    """Return a name in double quotes, safe to stand in a statement.

    Raises:
        ValueError: the name is empty, holds a NUL, or is longer than the 63 bytes PostgreSQL keeps.
    """
    if not name or "\0" in name:
        raise ValueError(f"not a name of a database object: {name!r}; give a non-empty name without NUL")
    if len(name.encode()) > _NAME_LIMIT:
        raise ValueError(
            f"name is longer than {_NAME_LIMIT} bytes, the rest would be cut: {name!r}; shorten it"
        )
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return text as a string literal, for the statements that take no parameter (`AWS IAM GRANT`).

    Raises:
        ValueError: the text holds a NUL or a backslash, which no ARN has.
    """
    if "\0" in text or "\\" in text:
        raise ValueError(f"not allowed in a literal: {text!r}; remove NUL and backslash")
    return "'" + text.replace("'", "''") + "'"


class SqlFactory:
    """What `sql` is: call it with a template and its values, or ask it for an identifier or a list."""

    def __call__(self, template: LiteralString, /, **values: object) -> Sql:
        """Return the statement that `template` and `values` make.

        Every `{name}` in the template is one of `values`; each of them is used at least once.

        Raises:
            TypeError: a name without a value, a value without a name, or a template that is not text.
            ValueError: a brace that neither opens nor closes a `{name}`.
        """
        if not isinstance(template, str):
            raise TypeError(f"sql() takes a template as text, not {type(template).__name__}")
        unused = set(values)
        pieces: list[object] = []
        for text, name in _split(template):
            pieces.append(Sql((text,)))
            if name is not None:
                if name not in values:
                    raise TypeError(f"sql() has no value for {{{name}}}; pass {name}=…")
                pieces.append(values[name])
                unused.discard(name)
        if unused:
            raise TypeError(f"sql() was given {', '.join(sorted(unused))}, which the template never uses")
        return _concatenate(pieces)

    def identifier(self, *names: str) -> Sql:
        """Return a quoted name, or a qualified one: `sql.identifier("app", "accounts")`."""
        if not names:
            raise TypeError("sql.identifier() needs at least one name")
        return Sql((".".join(map(quote_identifier, names)),))

    def join(self, separator: LiteralString, items: Iterable[object]) -> Sql:
        """Return `items` with `separator` between them; a fragment is set in, anything else is bound.

        Raises:
            ValueError: there are no items, and SQL has no empty list.
        """
        pieces: list[object] = []
        for item in items:
            pieces += [Sql((separator,)), item]
        if not pieces:
            raise ValueError("sql.join() was given no items; leave the clause out, or use = ANY({list})")
        return _concatenate(pieces[1:])


sql = SqlFactory()


def _concatenate(pieces: Iterable[object]) -> Sql:
    texts: list[str] = [""]
    values: list[object] = []
    for piece in pieces:
        if isinstance(piece, Sql):
            texts[-1] += piece.texts[0]
            texts += piece.texts[1:]
            values += piece.values
        else:
            texts.append("")
            values.append(piece)
    return Sql(tuple(texts), tuple(values))


def _split(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield each stretch of text with the name that follows it, None at the end."""
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
        name = template[brace + 1 : end]
        if brace == closing or end < 0 or not name.isidentifier():
            raise ValueError(
                f"stray brace at character {brace + 1} of the template; write {{name}}, or double it"
            )
        yield text, name
        text, at = "", end + 1
    yield text, None

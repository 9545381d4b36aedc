"""Read a PL/pgSQL body: its blocks and statements, and the SQL in them.

PL/pgSQL's grammar ends an expression at a keyword outside of parentheses, so a body can be read without types and
without a catalog (PostgreSQL 16, pl_gram.y). libpg_query's own entry for PL/pgSQL is not used: it has lines only,
refuses valid bodies, and aborts the process on a function without a body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.plpgsql.fragments import Fragment, FragmentKind, PlpgsqlSyntaxError, Reading
from dsql_dialect.plpgsql.tokens import CLOSE, OPEN, RESERVED, Tokens, is_identifier, is_string

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LEVELS = frozenset(("DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "EXCEPTION"))
_RAISE_OPTIONS = frozenset(
    ("MESSAGE", "DETAIL", "HINT", "ERRCODE", "COLUMN", "CONSTRAINT", "DATATYPE", "TABLE", "SCHEMA")
)
_DIRECTIONS = frozenset(("NEXT", "PRIOR", "FIRST", "LAST", "ALL"))
_COUNTED = frozenset(("ABSOLUTE", "RELATIVE", "FORWARD", "BACKWARD"))
_BEFORE_INTO = frozenset(("INSERT", "MERGE"))


def read(text: bytes) -> Reading:
    """Read a body.

    The SQL in it is not parsed here, only delimited.

    Raises:
        PlpgsqlSyntaxError: a block or a clause is not PL/pgSQL.
    """
    reader = _Reader(text)
    try:
        reader.body()
    except RecursionError:
        raise PlpgsqlSyntaxError("blocks are nested too deep", 0) from None
    reader.check_dynamic()
    return reader.reading


class _Reader(Tokens):
    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.reading = Reading()
        self._statements: Mapping[str, Callable[[], None]] = {
            "IF": self._if,
            "CASE": self._case,
            "LOOP": self._loop,
            "WHILE": self._while,
            "FOR": self._for,
            "FOREACH": self._foreach,
            "EXIT": self._exit,
            "CONTINUE": self._exit,
            "RETURN": self._return,
            "RAISE": self._raise,
            "ASSERT": self._assert,
            "PERFORM": self._perform,
            "EXECUTE": self._execute,
            "OPEN": self._open,
            "FETCH": self._fetch,
            "MOVE": self._move,
            "CLOSE": self.take_target,
            "GET": self._get_diagnostics,
            "COMMIT": self._end_transaction,
            "ROLLBACK": self._end_transaction,
            "NULL": lambda: None,
        }

    # Fragments

    def _add(
        self, kind: FragmentKind, by: str, tokens: tuple[int, int], blank: tuple[int, int] | None = None
    ) -> None:
        """Add the fragment of a range of tokens, with the tokens of another range blanked."""
        begin, end = tokens
        if begin >= end:
            self.at = begin
            raise self.unexpected()
        start, stop = self.all[begin].start, self.all[end - 1].end
        text = bytearray(self.text[start:stop])
        if blank is not None:
            first, last = self.all[blank[0]].start - start, self.all[blank[1] - 1].end - start
            text[first:last] = b" " * (last - first)
        if by == "PERFORM":
            text[:7] = b" SELECT"
        self.reading.fragments.append(Fragment(kind, bytes(text), start, stop, by))

    def _expression(self, by: str, *ends: str, kind: FragmentKind = FragmentKind.EXPRESSION) -> None:
        """Read an expression up to one of the words."""
        self._add(kind, by, self.until(*ends))

    def _expressions(self, by: str, *ends: str) -> None:
        self.separated(lambda: self._expression(by, ",", *ends))

    def _dynamic(self, by: str, *ends: str) -> None:
        """Read the expression behind EXECUTE."""
        self._expression(by, *ends, kind=FragmentKind.DYNAMIC)

    def _dynamic_with_values(self, by: str, end: str) -> None:
        self._dynamic(by, "USING", end)
        if self.skip("USING"):
            self._expressions(by, end)

    def check_dynamic(self) -> None:
        """Check again that no EXECUTE was overlooked: the local database relies on that.

        Raises:
            PlpgsqlSyntaxError: an EXECUTE has no fragment, so PostgreSQL reads the body otherwise.
        """
        dynamic = {each.start for each in self.reading.of(FragmentKind.DYNAMIC)}
        for index, token in enumerate(self.all):
            if self.word_at(index) != "EXECUTE":
                continue
            follows = index + 1 < len(self.all) and self.all[index + 1].start in dynamic
            if not follows and not any(
                each.start <= token.start < each.end for each in self.reading.fragments
            ):
                self.at = index
                raise self.unexpected()

    # Blocks

    def body(self) -> None:
        """Read the whole body."""
        while self.skip("#"):
            self.take_name()
            self.take()
        self._labels()
        self._block()
        self.skip(";")
        if self.word():
            raise self.unexpected()

    def _labels(self) -> bool:
        """Read `<<label>>`, if there is one."""
        if not self.skip("<<"):
            return False
        self.take_name()
        self.take(">>")
        return True

    def _end_label(self) -> None:
        if self.is_name():
            self.at += 1

    def _block(self) -> None:
        while self.skip("DECLARE"):
            while self.word() not in ("BEGIN", "DECLARE"):
                self._declaration()
        self.take("BEGIN")
        self._until_end("EXCEPTION", "END")
        if self.skip("EXCEPTION"):
            while self.word() != "END":
                self.take("WHEN")
                self.separated(self._condition, "OR")
                self.take("THEN")
                self.reading.handlers.append(self.all[self.at - 1].end)
                self._until_end("WHEN", "END")
        self.take("END")
        self._end_label()

    def _condition(self) -> None:
        if self.skip("SQLSTATE"):
            self.take_string()
        else:
            self.take_name()

    def _declaration(self) -> None:
        self.take_name()
        if self.skip("ALIAS"):
            self.take("FOR")
            self.take_target()
        elif self.word() in ("NO", "SCROLL", "CURSOR"):
            if self.skip("NO"):
                self.take("SCROLL")
            else:
                self.skip("SCROLL")
            self.take("CURSOR")
            if self.skip("("):
                self.until(")")
                self.take(")")
            self.take("FOR", "IS")
            self._expression("CURSOR", ";", kind=FragmentKind.STATEMENT)
        else:
            self._variable()
        self.take(";")

    def _variable(self) -> None:
        self.skip("CONSTANT")
        begin, end = self.until(";", ":=", "=", "DEFAULT", "NOT", "COLLATE")
        if begin == end:
            raise self.unexpected()
        self._row_type([token.text for token in self.all[begin:end]])
        if self.skip("COLLATE"):
            self.take_target()
        if self.skip("NOT"):
            self.take("NULL")
        if self.word() != ";":
            self.take(":=", "=", "DEFAULT")
            self._expression("DECLARE", ";")

    def _row_type(self, words: list[str]) -> None:
        """Note the table or view of `t.v%TYPE` or `t%ROWTYPE`."""
        if "%" in words:
            named = [word for word in words[: words.index("%")] if word != "."]
            if words[-1].upper() != "ROWTYPE":
                named.pop()
            self.reading.row_types.update(each.strip('"').replace('""', '"').lower() for each in named[-1:])

    def _until_end(self, *ends: str) -> None:
        """Read statements up to one of the words."""
        while not self._ends_here(ends):
            if not self.word():
                raise self.unexpected()
            self._statement()

    def _ends_here(self, ends: tuple[str, ...]) -> bool:
        return self.word() in ends and not self._is_assignment()

    # Statements

    def _statement(self) -> None:
        labelled = self._labels()
        word = self.word()
        known = self._statements.get(word)
        if word in ("BEGIN", "DECLARE"):
            self._block()
        elif labelled and word not in ("LOOP", "WHILE", "FOR", "FOREACH"):
            raise self.unexpected()
        elif self._is_assignment() and self._assignment():
            pass
        elif known is not None:
            self.at += 1
            known()
        elif word in RESERVED or not is_identifier(word):
            raise self.unexpected()
        else:
            self._sql()
        self.take(";")

    def _is_assignment(self) -> bool:
        """Return whether a statement is one to a variable: that may have the name of an unreserved keyword."""
        word = self.word()
        return (self.is_name() or word[:1] == "$") and self.word(1) in (":=", "=", "[", ".")

    def _assignment(self) -> bool:
        """Read an assignment; return whether it is one."""
        begin, subscripted = self.at, False
        try:
            self.take_target()
            while self.word() in ("[", "."):
                if self.skip("."):
                    self.take()
                    continue
                subscripted = True
                self.at += 1
                self.until("]")
                self.take("]")
        except PlpgsqlSyntaxError:
            self.at = begin
            return False
        if self.word() not in (":=", "="):
            self.at = begin
            return False
        if subscripted:
            self._add(FragmentKind.EXPRESSION, "ASSIGN", (begin, self.at))
        self.at += 1
        self._expression("ASSIGN", ";")
        return True

    def _if(self) -> None:
        self._expression("IF", "THEN")
        self.take("THEN")
        self._until_end("ELSIF", "ELSEIF", "ELSE", "END")
        while self.word() in ("ELSIF", "ELSEIF"):
            self.at += 1
            self._expression("IF", "THEN")
            self.take("THEN")
            self._until_end("ELSIF", "ELSEIF", "ELSE", "END")
        if self.skip("ELSE"):
            self._until_end("END")
        self.take("END")
        self.take("IF")

    def _case(self) -> None:
        if self.word() != "WHEN":
            self._expression("CASE", "WHEN")
        while self.skip("WHEN"):
            self._expression("CASE", "THEN")
            self.take("THEN")
            self._until_end("WHEN", "ELSE", "END")
        if self.skip("ELSE"):
            self._until_end("END")
        self.take("END")
        self.take("CASE")

    def _loop(self) -> None:
        self._until_end("END")
        self.take("END")
        self.take("LOOP")
        self._end_label()

    def _while(self) -> None:
        self._expression("WHILE", "LOOP")
        self.take("LOOP")
        self._loop()

    def _for(self) -> None:
        self.separated(self.take_target)
        self.take("IN")
        if self.skip("EXECUTE"):
            self._dynamic_with_values("FOR EXECUTE", "LOOP")
        else:
            reverse = self.skip("REVERSE")
            begin, end = self.until("LOOP")
            dots = self._find(begin, end, "..")
            if dots is not None:
                self._range(begin, dots, end)
            elif self._is_cursor(begin, end) and not reverse:
                self.at = begin
                self.take_name()
                self._cursor_arguments()
            else:
                self._add(FragmentKind.STATEMENT, "FOR", (begin, end))
        self.take("LOOP")
        self._loop()

    def _find(self, begin: int, end: int, *wanted: str) -> int | None:
        """Return the index of the first of some words outside of parentheses, None if there is none."""
        depth = 0
        for index in range(begin, end):
            word = self.word_at(index)
            depth += (word in OPEN) - (word in CLOSE)
            if not depth and word in wanted:
                return index
        return None

    def _range(self, begin: int, dots: int, end: int) -> None:
        by = self._find(dots, end, "BY")
        upper = end if by is None else by
        for part in ((begin, dots), (dots + 1, upper), *(((upper + 1, end),) if by is not None else ())):
            self._add(FragmentKind.EXPRESSION, "FOR", part)
        self.at = end

    def _is_cursor(self, begin: int, end: int) -> bool:
        """Return whether a FOR loop is over a cursor, with or without arguments: a query begins otherwise."""
        first = end - begin and self.word_at(begin)
        if not first or first in ("SELECT", "WITH", "VALUES", "(") or first in RESERVED:
            return False
        return end - begin == 1 or (self.word_at(begin + 1) == "(" and self.word_at(end - 1) == ")")

    def _cursor_arguments(self) -> None:
        if self.skip("("):
            self.separated(self._cursor_argument)
            self.take(")")

    def _cursor_argument(self) -> None:
        if self.word(1) in (":=", "=>"):
            self.at += 2
        self._expression("CURSOR", ",", ")")

    def _foreach(self) -> None:
        self.separated(self.take_target)
        if self.skip("SLICE"):
            self.take()
        self.take("IN")
        self.take("ARRAY")
        self._expression("FOREACH", "LOOP")
        self.take("LOOP")
        self._loop()

    def _exit(self) -> None:
        self._end_label()
        if self.skip("WHEN"):
            self._expression("EXIT", ";")

    def _return(self) -> None:
        if self.skip("QUERY"):
            if self.skip("EXECUTE"):
                self._dynamic_with_values("RETURN QUERY EXECUTE", ";")
            else:
                self._expression("RETURN QUERY", ";", kind=FragmentKind.STATEMENT)
            return
        self.skip("NEXT")
        if self.word() != ";":
            self._expression("RETURN", ";")

    def _raise(self) -> None:
        if self.word() in _LEVELS:
            self.at += 1
        if self.skip("SQLSTATE"):
            self.take_string()
        elif is_string(self.word()):
            self.at += 1
            if self.skip(","):
                self._expressions("RAISE", "USING", ";")
        elif self.word() not in (";", "USING"):
            self.take_name()
        if self.skip("USING"):
            self.separated(self._raise_option)

    def _raise_option(self) -> None:
        self.take(*_RAISE_OPTIONS)
        self.take("=", ":=")
        self._expression("RAISE", ",", ";")

    def _assert(self) -> None:
        self._expression("ASSERT", ",", ";")
        if self.skip(","):
            self._expression("ASSERT", ";")

    def _perform(self) -> None:
        begin = self.at - 1
        _, end = self.until(";")
        if end == self.at and end == begin + 1:
            raise self.unexpected()
        self._add(FragmentKind.STATEMENT, "PERFORM", (begin, end))

    def _execute(self) -> None:
        self._dynamic("EXECUTE", "INTO", "USING", ";")
        for clause in range(2):
            if self.skip("INTO"):
                self._into()
            elif self.skip("USING"):
                self._expressions("EXECUTE", *(("INTO", ";") if clause == 0 else (";",)))

    def _into(self) -> None:
        self.skip("STRICT")
        self.separated(self.take_target)

    def _open(self) -> None:
        self.take_target()
        if self.skip("NO"):
            self.take("SCROLL")
        else:
            self.skip("SCROLL")
        if not self.skip("FOR"):
            self._cursor_arguments()
        elif self.skip("EXECUTE"):
            self._dynamic_with_values("OPEN EXECUTE", ";")
        else:
            self._expression("OPEN", ";", kind=FragmentKind.STATEMENT)

    def _fetch(self) -> None:
        self._direction("INTO")
        self.take("INTO")
        self._into()

    def _move(self) -> None:
        self._direction(";")

    def _direction(self, end: str) -> None:
        """Read how far FETCH or MOVE goes, and the name of the cursor."""
        begin, stop = self.until(end)
        source = self._find(begin, stop, "FROM", "IN")
        self.at = begin
        if source is not None:
            if self.word() in _DIRECTIONS and source == begin + 1:
                self.at += 1
            elif self.word() in _COUNTED:
                self.at += 1
                self.skip("ALL")
            if self.at < source:
                self._add(FragmentKind.EXPRESSION, "FETCH", (self.at, source))
            self.at = source + 1
        elif stop - begin > 1:
            self.take(*_DIRECTIONS, *_COUNTED)
            self.skip("ALL")
        self.take_target()

    def _get_diagnostics(self) -> None:
        if self.word() in ("CURRENT", "STACKED"):
            self.at += 1
        self.take("DIAGNOSTICS")
        self.separated(self._diagnostics_item)

    def _diagnostics_item(self) -> None:
        self.take_target()
        self.take("=", ":=")
        self.take_name()

    def _end_transaction(self) -> None:
        begin = self.at - 1
        if self.skip("AND"):
            self.skip("NO")
            self.take("CHAIN")
        self._add(FragmentKind.CONTROL, self.word_at(begin), (begin, self.at))

    def _sql(self) -> None:
        """Read a statement of SQL, without the INTO clause of PL/pgSQL in it."""
        begin, into = self.at, None
        depth = atomic = 0
        while not (self.word() == ";" and not depth and not atomic):
            word = self.word()
            depth += (word in OPEN) - (word in CLOSE)
            if not word or depth < 0:
                raise self.unexpected()
            if atomic:
                atomic += (word == "CASE") - (word == "END")
            elif word == "ATOMIC" and self.word_at(self.at - 1) == "BEGIN":
                atomic = 1
            self.at += 1
            if word == "INTO" and self.word_at(self.at - 2) not in _BEFORE_INTO:
                start = self.at - 1
                if into is not None:
                    raise PlpgsqlSyntaxError("INTO specified more than once", self.all[start].start)
                self._into()
                into = start, self.at
        self._add(FragmentKind.STATEMENT, "SQL", (begin, self.at), into)

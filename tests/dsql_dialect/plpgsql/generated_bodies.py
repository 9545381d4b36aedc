"""Bodies that PostgreSQL accepts, put together from statements, and bodies with a token changed, which it mostly does
not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import libpg_query

if TYPE_CHECKING:
    from random import Random

DECLARED = (
    "DECLARE a int; b int := 1; s text; r record; q record; v int[] := '{1,2}'; t a%ROWTYPE;"
    " c CURSOR (k int) FOR SELECT 1 WHERE k > 0; d refcursor; exception int; query int; next int; raise int;"
)
STATEMENTS = (
    *("NULL", "a := 1", "a = b + 1", "t.v := (SELECT 2)", "v[a] := 3", "v[1:2] := '{4,5}'", "s := 'x;''y'"),
    *("PERFORM 1", "PERFORM a, b FROM a WHERE v = b", "ASSERT a > 0", "ASSERT a > b, 'no ' || a"),
    *(
        "SELECT 1 INTO a",
        "SELECT 1, 2 INTO STRICT a, b FROM a",
        "SELECT v INTO t.v FROM a",
        "SELECT 1 AS x INTO r",
    ),
    *(
        "INSERT INTO a VALUES (1)",
        "INSERT INTO a VALUES (1) RETURNING v INTO a",
        "UPDATE a SET v = 1 RETURNING v INTO b",
    ),
    *(
        "DELETE FROM a",
        "WITH w AS (INSERT INTO a VALUES (1) RETURNING v) SELECT v INTO a FROM w",
        "CALL p(1)",
    ),
    *(
        "EXECUTE 'SELECT 1'",
        "EXECUTE s INTO a",
        "EXECUTE s || 'x' INTO STRICT a, b USING a, b",
        "EXECUTE s USING a INTO b",
    ),
    *(
        "RAISE NOTICE 'x'",
        "RAISE NOTICE '% %', a, b",
        "RAISE division_by_zero",
        "RAISE SQLSTATE '22012' USING HINT = 'x'",
    ),
    *(
        "RAISE EXCEPTION USING MESSAGE = 'x', ERRCODE := '22012'",
        "RAISE 'x' USING DETAIL = s",
        "exception := 1",
    ),
    *(
        "raise := 2",
        "query := next",
        "OPEN c(1)",
        "OPEN c(k := a)",
        "OPEN d FOR SELECT 1",
        "OPEN d FOR EXECUTE s USING a",
    ),
    *(
        "OPEN d SCROLL FOR SELECT 1",
        "FETCH c INTO r",
        "FETCH NEXT FROM c INTO r",
        "FETCH ABSOLUTE a + 1 FROM d INTO r",
    ),
    *(
        "MOVE 2 FROM d",
        "FETCH RELATIVE -1 IN d INTO a",
        "MOVE FORWARD ALL FROM d",
        "MOVE d",
        "CLOSE d",
        "RETURN a",
    ),
    *(
        "GET DIAGNOSTICS a = ROW_COUNT, s := PG_CONTEXT",
        "RETURN (SELECT 1)",
        "RETURN CASE WHEN true THEN 1 ELSE 2 END",
    ),
    *(
        "COMMIT",
        "ROLLBACK AND CHAIN",
        "DO 'BEGIN END'",
        "SET search_path = a",
        "TRUNCATE a",
        "s := U&'\\0041'",
    ),
    *(
        "s := E'\\'; EXECUTE '",
        "s := $x$; END; $x$",
        "a := b FROM a WHERE v = 1",
        "s := 'é' || \"s\"",
        "CREATE TABLE x (id int)",
    ),
)
AROUND = (
    *(
        "BEGIN {} END;",
        "<<l>> BEGIN {} END l;",
        "DECLARE x int := 1; BEGIN {} END;",
        "BEGIN {} EXCEPTION WHEN OTHERS THEN {} END;",
    ),
    "BEGIN {} EXCEPTION WHEN division_by_zero OR SQLSTATE '22012' THEN {} WHEN unique_violation THEN NULL; END;",
    *(
        "IF a > 0 THEN {} END IF;",
        "IF a THEN {} ELSIF (CASE WHEN b THEN a END) THEN {} ELSE {} END IF;",
        "LOOP {} EXIT; END LOOP;",
    ),
    *(
        "CASE a WHEN 1, 2 THEN {} ELSE {} END CASE;",
        "CASE WHEN a > 1 THEN {} END CASE;",
        "WHILE a < 1 LOOP {} END LOOP;",
    ),
    *("<<m>> LOOP {} EXIT m WHEN a > 1; CONTINUE m; END LOOP m;", "FOR i IN 1..2 LOOP {} END LOOP;"),
    *("FOR i IN REVERSE a..(SELECT 1) BY 2 LOOP {} END LOOP;", "FOR r IN SELECT 1 LOOP {} END LOOP;"),
    *(
        "FOR r IN c(1) LOOP {} END LOOP;",
        "FOR r IN EXECUTE s USING a, b LOOP {} END LOOP;",
        "FOR a, b IN SELECT 1, 2 LOOP {} END LOOP;",
    ),
    *("FOREACH a IN ARRAY v LOOP {} END LOOP;", "FOREACH v SLICE 1 IN ARRAY v LOOP {} END LOOP;"),
)
_STRUCTURE = (
    ";",
    "BEGIN",
    "END",
    "IF",
    "THEN",
    "LOOP",
    "EXECUTE",
    "INTO",
    "USING",
    "EXCEPTION",
    "WHEN",
    "(",
    ")",
    ":=",
    ".",
)


def body(random: Random, depth: int = 3) -> str:
    """Return a body that PostgreSQL accepts in a procedure or a function."""
    return f"{DECLARED} BEGIN {_statements(random, depth)} END"


def _statements(random: Random, depth: int) -> str:
    return " ".join(_statement(random, depth) for _ in range(random.randint(1, 3)))


def _statement(random: Random, depth: int) -> str:
    if depth == 0 or random.random() < 0.6:
        return random.choice(STATEMENTS) + ";"
    parts = random.choice(AROUND).split("{}")
    return parts[0] + "".join(_statements(random, depth - 1) + part for part in parts[1:])


def changed(random: Random, text: str) -> str:
    """Return a body with a token removed, doubled, replaced, or exchanged with the next one."""
    tokens = [token.text for token in libpg_query.scan(text.encode())]
    at = random.randrange(len(tokens) - 1)
    kind = random.randrange(4)
    if kind == 0:
        del tokens[at]
    elif kind == 1:
        tokens.insert(at, tokens[at])
    elif kind == 2:
        tokens[at] = random.choice(_STRUCTURE)
    else:
        tokens[at], tokens[at + 1] = tokens[at + 1], tokens[at]
    return " ".join(tokens)

"""The SQL that Aurora DSQL accepts: rules as dated data, and the parser that applies them.

>>> from dsql_dialect import parse, profile
>>> parse("TRUNCATE accounts", profile()).findings[0].message
'unsupported statement: Truncate'
"""

from typing import TYPE_CHECKING

from blocks_runtime.shared.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from dsql_dialect.parser import parse
    from dsql_dialect.position import Position
    from dsql_dialect.profiles import PROFILES, Profile, profile
    from dsql_dialect.rule import Finding, Rule
    from dsql_dialect.rules import RULES
    from dsql_dialect.statement import IamStatement, Kind, Script, Statement, Traits
    from dsql_dialect.transaction_rules import TransactionRules

__all__ = [
    "PROFILES",
    "RULES",
    "Finding",
    "IamStatement",
    "Kind",
    "Position",
    "Profile",
    "Rule",
    "Script",
    "Statement",
    "Traits",
    "TransactionRules",
    "parse",
    "profile",
]

# The parser takes a tenth of a second to load, and reading files does without.
_MODULES = {
    "Finding": "rule",
    "IamStatement": "statement",
    "Kind": "statement",
    "PROFILES": "profiles",
    "Position": "position",
    "Profile": "profiles",
    "RULES": "rules",
    "Rule": "rule",
    "Script": "statement",
    "Statement": "statement",
    "Traits": "statement",
    "TransactionRules": "transaction_rules",
    "parse": "parser",
    "profile": "profiles",
}

_, __getattr__, __dir__ = lazy_exports(__name__, _MODULES)

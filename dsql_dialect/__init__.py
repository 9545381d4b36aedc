"""What Aurora DSQL accepts: its rules as dated data, and the reader of statements that applies them.

>>> from dsql_dialect import parse, profile
>>> parse("TRUNCATE accounts", profile("portable")).findings[0].message
'unsupported statement: Truncate'
"""

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

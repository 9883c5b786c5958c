"""The standing rules of `sources.toml`: what a person knows of a source or an account, said once, with a reason.

An account's rule wins over its source's, key by key. Without a rule the document counts as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

ACCOUNT_AND_MONTH: Final = "account and month"
"""The `invoice_id` of a source that states none: what an account is charged in a month is one invoice."""

TAX_NOT_STATED: Final = "not stated"
"""The issuer charges no tax in its documents: an invoice without a line of tax is pushed as its lines are."""

TAX_EXPECTED: Final = "expected"
"""The issuer charges tax: an invoice without a line of tax is held until its tax is stated."""


PUSH: Final = "push"
"""`only_stated`: an invoice that is stated without lines is pushed as its issuer states it. `open_period`: one of a billing
period that is open is pushed."""

HOLD: Final = "hold"
"""Such an invoice is held until its lines come, or its period is closed, or a person releases it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one table of the file says.

    Attributes:
        source: Whose invoices: the source as finance knows it.
        account_id: Of which account; None: of any.
        reason: Why, in the person's words.
        invoice_id: The column of the provider's table that has the invoice's id, or ACCOUNT_AND_MONTH.
        final_after: How long after the end of its billing period an invoice by account and month is final.
        tax: TAX_NOT_STATED or TAX_EXPECTED.
        rows_are_not_invoices_to_us: Whether somebody else is invoiced for the rows: they are kept for analysis and never pushed.
        issuer: The vendor's name for finance.
        time_zone: The zone (IANA) in which the provider's months begin.
        tolerance: How much, in major units of the invoice's currency, its lines may differ from the total that is stated.
        tax_may_stand_alone: Whether an invoice of nothing but tax is right.
        only_stated: PUSH or HOLD: what becomes of an invoice that its issuer states and of which no document has the lines.
        open_period: PUSH or HOLD: what becomes of an invoice of a billing period that its issuer states as open.
    """

    source: str
    account_id: str | None
    reason: str
    invoice_id: str | None = None
    final_after: timedelta | None = None
    tax: str | None = None
    rows_are_not_invoices_to_us: bool | None = None
    issuer: str | None = None
    time_zone: str | None = None
    tolerance: Decimal | None = None
    tax_may_stand_alone: bool | None = None
    only_stated: str | None = None
    open_period: str | None = None

    @property
    def name(self) -> str:
        """`oci`, or `oci/12345678`: how the file calls it."""
        return self.source if self.account_id is None else f"{self.source}/{self.account_id}"


KEYS: Final = tuple(field.name for field in fields(Rule))[3:]
"""What a rule may say: all fields but the source, the account and the reason."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules say of an account.

    Attributes:
        values: What is said, by its key.
        by: The rule that says it, by the same key.
    """

    values: Mapping[str, Any]
    by: Mapping[str, Rule]

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - each key has a type of its own
        """What is said, or None."""
        return self.values.get(key)

    def without(self, key: str) -> "Ruling":
        """The same rules without one key."""
        return Ruling(*({name: values[name] for name in values if name != key} for values in (self.values, self.by)))

    @property
    def id_column(self) -> str | None:
        """The column that has the invoice's id, where a rule names one."""
        return None if self["invoice_id"] == ACCOUNT_AND_MONTH else self["invoice_id"]

    @property
    def is_by_account_and_month(self) -> bool:
        """Whether all lines of the account in a month without an invoice's id are one invoice."""
        return bool(self["invoice_id"] == ACCOUNT_AND_MONTH)


NO_RULING: Final = Ruling({}, {})


@dataclass(frozen=True)
class Rules:
    """All rules.

    Attributes:
        rules: The rules, by source and account.
        buyer_tax_ids: Whose invoices these are: our tax ids, as `comparable_tax_id` has them, sorted; empty: nobody has said.
        text: The file that says so, as a person wrote it; None where there is none. It does not count in comparisons.
    """

    rules: tuple[Rule, ...] = ()
    text: str | None = None
    buyer_tax_ids: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, whatever their order, layout and remarks."""
        return (
            isinstance(other, Rules) and self._by_name == other._by_name and self.buyer_tax_ids == other.buyer_tax_ids
        )

    def __hash__(self) -> int:
        """Of what they say."""
        return hash(frozenset(self.rules))

    @property
    def says_anything(self) -> bool:
        """Whether there is a rule, or a tax id of ours."""
        return bool(self.rules or self.buyer_tax_ids)

    def of(self, source: str, account_id: str) -> Ruling:
        """What the rules say of an account."""
        applying = [
            rule for name in ((source, None), (source, account_id)) if (rule := self._by_name.get(name)) is not None
        ]
        if not applying:
            return NO_RULING
        said = [(key, rule) for rule in applying for key in KEYS if getattr(rule, key) is not None]
        return Ruling({key: getattr(rule, key) for key, rule in said}, dict(said))

    @property
    def id_columns(self) -> tuple[tuple[str, str | None, str], ...]:
        """The columns that rules name for the invoice's id: source, account (None: any), column; accounts' rules first."""
        named = [
            (rule.source, rule.account_id, rule.invoice_id)
            for rule in self.rules
            if rule.invoice_id not in {None, ACCOUNT_AND_MONTH}
        ]
        # An account whose own rule is account and month does not use its source's column.
        named += [(rule.source, rule.account_id, "") for rule in self.rules if rule.invoice_id == ACCOUNT_AND_MONTH]
        return tuple(
            (source, account, column or "")
            for source, account, column in sorted(named, key=lambda one: (one[1] is None, one[0], one[1] or ""))
        )

    @cached_property
    def _by_name(self) -> dict[tuple[str, str | None], Rule]:
        return {(rule.source, rule.account_id): rule for rule in self.rules}


def comparable_tax_id(text: str) -> str:
    """A tax id as it is compared: letters and digits alone, in capitals, without the tax that Swiss ones end with."""
    plain = re.sub(r"[\W_]", "", text).upper()
    return _SWISS_TAX.sub("", plain) if plain.startswith("CHE") else plain


_SWISS_TAX: Final = re.compile(r"(MWST|TVA|IVA|VAT)$")


def comparable_tax_id_sql(text: str) -> str:
    """SQL: the same."""
    plain = f"upper(regexp_replace({text}, '[^\\pL\\pN]', '', 'g'))"
    return f"CASE WHEN {plain} LIKE 'CHE%' THEN regexp_replace({plain}, '{_SWISS_TAX.pattern}', '') ELSE {plain} END"


def same_tax_id_sql(one: str, other: str) -> str:
    """SQL: whether two comparable tax ids are one: also where one of them leaves out the country before its digits."""
    return f"({one} = {other} OR {one} = {other}[3:] OR {one}[3:] = {other})"

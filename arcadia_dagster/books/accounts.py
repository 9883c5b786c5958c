"""Which account of the books a charge, a tax and what is owed belong to.

A rule names some of provider, service, project, tenant and, for a tax, its code; it matches what has all that it names. Of the
rules that match, the one that names the most wins; of two that name as many, the one that names the project, else the service,
else the tenant, else the code of the tax. What no rule matches goes to the suspense account, where a person finds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["expense", "tax", "payable"]

PRECEDENCE: Final = ("project", "service", "tenant", "code", "provider")
"""What a rule may name; of two rules that name as many, the first of these that only one of them names decides."""

PAYABLE: Final = "Accounts Payable"
"""The account of what is owed where no rule says another."""

DateFormat = Literal["DD/MM/YYYY", "MM/DD/YYYY", "YYYY-MM-DD"]


@dataclass(frozen=True, slots=True)
class AccountRule:
    """One rule.

    Attributes:
        kind: What it is for.
        account: The account, as the books call it.
        provider: The source as finance knows it, such as `digitalocean`; None: any.
        service: The service's name, as the statement shows it; None: any.
        project: The project; None: any, or none.
        tenant: Who bears it; None: anybody.
        code: Of a tax: the words of its line, such as `GST Australia (10.00%)`; None: any tax.
        tax_type: What the books call this tax; of an expense, what they call a row on which no tax was charged.
    """

    kind: Kind
    account: str
    provider: str | None = None
    service: str | None = None
    project: str | None = None
    tenant: str | None = None
    code: str | None = None
    tax_type: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """What it names, by key."""
        values = {key: getattr(self, key) for key in PRECEDENCE}
        return {key: value for key, value in values.items() if value is not None}

    @property
    def rank(self) -> tuple[int, ...]:
        """The greater of two ranks wins; only rules that name the same keys have the same rank."""
        return (len(self.named), *(key in self.named for key in PRECEDENCE))


@dataclass(frozen=True, slots=True)
class Subject:
    """What an account is looked for: a charge of a service, a tax, or what is owed; see `AccountRule`."""

    provider: str
    service: str | None = None
    project: str | None = None
    tenant: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of the books, as `accounts.toml` maps them.

    Attributes:
        rules: The rules; no two name the same.
        accrued: The account of what is accrued and not invoiced yet.
        suspense: The account of what no rule matches.
        no_tax_type: What the books call a row on which no tax was charged; empty: nothing.
        date_format: How the files for Xero and QuickBooks Online write days.
        due_days: How many days after its date a bill is due of which no document tells; None: on its date.
    """

    rules: tuple[AccountRule, ...] = ()
    accrued: str = "Accrued Liabilities"
    suspense: str = "Suspense"
    no_tax_type: str = ""
    date_format: DateFormat = "DD/MM/YYYY"
    due_days: int | None = None

    def rule_of(self, kind: Kind, subject: Subject) -> AccountRule | None:
        """The rule that decides; None where none matches."""
        matching = [
            rule
            for rule in self.rules
            if rule.kind == kind and all(getattr(subject, key) == value for key, value in rule.named.items())
        ]
        return max(matching, key=lambda rule: rule.rank, default=None)

    def payable_of(self, provider: str) -> str:
        """The account of what is owed to a provider."""
        rule = self.rule_of("payable", Subject(provider))
        return PAYABLE if rule is None else rule.account


def twice(rules: Sequence[AccountRule]) -> tuple[int, int] | None:
    """The places of the first rule that names what an earlier one of its kind names, and of that one; None without."""
    seen: dict[tuple[str, ...], int] = {}
    for place, rule in enumerate(rules):
        key = (rule.kind, *(f"{name}={value}" for name, value in sorted(rule.named.items())))
        if key in seen:
            return place, seen[key]
        seen[key] = place
    return None

"""Money: integers of nano-USD (1e-9 USD) inside, a JSON number of USD on the wire."""

from decimal import Context, Decimal, Inexact, InvalidOperation

NANO = 1_000_000_000
MAX_USD = 1_000_000_000
# Nineteen digits hold the greatest amount; what forty cannot hold has more than nine decimal places.
_EXACT = Context(prec=40, traps=[Inexact, InvalidOperation])


def to_usd(nano: int) -> float:
    """The nearest double; exact for every amount that a double can hold to nine places."""
    return float(Decimal(nano) / NANO)


def shown(nano: int) -> str:
    """The exact amount in USD for people: `12.5`, `0.000000001`."""
    whole, rest = divmod(abs(nano), NANO)
    return f"{'-' * (nano < 0)}{whole}.{rest:09}".rstrip("0").removesuffix(".")


def from_usd(usd: object) -> int:
    """Nano-USD of a number of USD. Raises ValueError past nine decimal places, for non-finite and absurd amounts."""
    if isinstance(usd, bool) or not isinstance(usd, int | float | Decimal | str):
        raise ValueError("an amount in USD is a number")
    try:
        amount = Decimal(str(usd))
    except InvalidOperation as error:
        raise ValueError("an amount in USD is a number") from error
    if not amount.is_finite() or amount.copy_abs() > MAX_USD:
        raise ValueError(f"an amount in USD lies within {MAX_USD:,}")
    try:
        nano = _EXACT.multiply(amount, Decimal(NANO))
        if nano == nano.to_integral_value():
            return int(nano)
    except Inexact:
        pass
    raise ValueError("an amount in USD has at most nine decimal places")

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gofannon.lib import money

# A double holds nine decimal places exactly enough up to some four million USD.
EXACT = 2**52


@given(st.integers(-EXACT, EXACT))
def test_an_amount_survives_the_wire(nano: int) -> None:
    assert money.from_usd(money.to_usd(nano)) == nano


@given(st.integers(-money.MAX_USD * money.NANO, money.MAX_USD * money.NANO))
def test_an_amount_shown_to_people_is_exact(nano: int) -> None:
    assert money.from_usd(money.shown(nano)) == nano


@pytest.mark.parametrize(
    ("usd", "nano"),
    [
        (0.05, 50_000_000),
        (87.5, 87_500_000_000),
        (1, 1_000_000_000),
        ("0.000000001", 1),
        (1e-9, 1),
        (Decimal("-2.5"), -2_500_000_000),
        ("1.00000000000000000000000000000000000000000000000000", 1_000_000_000),
        (1_000_000_000, 10**18),
    ],
)
def test_usd_becomes_nano_usd(usd: object, nano: int) -> None:
    assert money.from_usd(usd) == nano


@pytest.mark.parametrize(
    "usd",
    [
        True,
        None,
        [],
        "much",
        float("nan"),
        float("inf"),
        1e-10,
        "1.00000000000000000000000000000000000000000000000001",
        "1e999999999",
        "1e-999999999",
        1_000_000_000.000001,
        -1e300,
    ],
)
def test_what_is_no_amount_is_refused(usd: object) -> None:
    with pytest.raises(ValueError, match="an amount in USD"):
        money.from_usd(usd)


@pytest.mark.parametrize(("nano", "text"), [(0, "0"), (-1, "-0.000000001"), (12_500_000_000, "12.5"), (10**10, "10")])
def test_people_read_no_needless_zeros(nano: int, text: str) -> None:
    assert money.shown(nano) == text

"""The look of the operators' admin."""

UNFOLD = {
    "SITE_TITLE": "Gofannon",
    "SITE_HEADER": "Gofannon",
    "SITE_SUBHEADER": "agent platform",
    "SITE_SYMBOL": "construction",
    "SHOW_HISTORY": True,
}

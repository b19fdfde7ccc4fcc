"""The API's conventions: one error shape, strict bodies, keyset pages, wire documents."""

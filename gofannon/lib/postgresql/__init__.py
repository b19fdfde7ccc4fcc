"""Django's PostgreSQL backend with a pool that gets over a database that was away."""

"""What is kept: one file, or one PostgreSQL."""

from bwm.lean import without

with without("psycopg"):  # ten megabytes, which peewee and its tools would load even where nobody has a PostgreSQL
    import playhouse.db_url
    import playhouse.migrations  # noqa: F401

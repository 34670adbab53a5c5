"""What is kept: one file, or one PostgreSQL."""

from bwm.lean import put_off, without

# The first is ten megabytes, which peewee and its tools would load even where nobody has a PostgreSQL.
with without("psycopg"), put_off("argparse"):
    import playhouse.db_url
    import playhouse.migrations  # noqa: F401

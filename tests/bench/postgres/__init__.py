"""Speed on PostgreSQL beside bare psycopg and others: `python -m tests.bench.postgres`."""

"""PostgreSQL and SQLite, through one set of tables and statements (SQLAlchemy Core)."""

"""Storage: registry (SQLite), history (DuckDB) and the files of the record."""

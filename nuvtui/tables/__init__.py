"""Tables of an instance: a DuckDB file that any DuckDB client can open, captured as Parquet.

`database` works on the Current State, `capture` moves tables between it and the store, `parquet` reads
captured tables. Only this package imports duckdb, and only inside functions: loading it costs nothing until a
table is touched.
"""

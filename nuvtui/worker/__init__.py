"""Tasks: long work in processes of its own, which outlive the screen, the shell and the connection.

A task is a folder, `tasks/<id>/`. `submit` makes it and starts the worker; the worker alone writes
`events.jsonl` (`events`) and `build.log`; everybody else only reads: `lifecycle` lists, cancels and puts the
last word where a worker died, `attach` follows one. `process` is the only module that knows the services.
"""

"""The TinyDB state file: what a store lists, in one small JSON file.

`schema` says which tables there are and how old files are brought up to date, `codec` how they are bytes,
`files` how the bytes come to the disk and back safely, `storage` is TinyDB's way to them, `tables` what
readers and writers see, `state` the door to it all.
"""

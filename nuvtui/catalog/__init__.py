"""The catalog: what a store lists, in one small JSON file of TinyDB (`state.json`).

`schema` says which tables there are and how old files are brought up to date, `codec` how they are bytes,
`files` how the bytes come to the disk and back safely, `storage` is TinyDB's way to them, `transaction` what writers
see, `view` what readers see, `catalog` the door to it all.
"""

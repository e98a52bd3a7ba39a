"""Reading states, Current or of a snapshot: files, tables, previews, and what differs between two."""

"""Widgets: virtual, repainting only what changed, and safe against outside text by construction.

Import from the modules: `scoped`, `lines`, `line_list`, `tree_list`, `row_table`, `log_view`, `detail`, `meter`,
`header`, `footer`, `place`, `prompt`.
"""

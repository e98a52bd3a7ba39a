"""The snapshot store: content-addressed objects in packs, snapshot manifests, scanning and restoring of files.

Import from the modules: `store` (reads objects and manifests), `writer` (adds objects), `scanner` (workspace to tree),
`trees` (walk, look up, compare), `restorer` (tree to workspace), `check`, `prune`, `repair` and `usage` (verify,
collect garbage, make good, measure).

The formats on disk are told where they are made: `packs` (packs), `index` (indexes), `manifests`,
`model.tree` (trees), `statcache` (stat caches). An object is any string of bytes; its id is its BLAKE3 hash
(32 bytes). Write order: packs, index, manifest, each durable before the next. Locks (flock): every writer
holds `objects/lock` shared until its manifest is in place, gc and repair hold it alone;
`objects/commit.lock` is held while packs and index are put in place.
"""

"""The content guard: what must not leave, looked for in what goes into an image and what came out."""

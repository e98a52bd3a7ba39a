"""Real services and terminals for the tests: engine, registry, SSH server, tmux, pseudo-terminal."""

"""Tests of recipes, contexts, the guard, engines and registries."""

"""The assets: one thin module each. It says what the asset depends on, runs one transaction, and shows what came of it."""

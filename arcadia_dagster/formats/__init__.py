"""Invoice file formats: one module each, which recognises a file by its content and maps it to cost lines.

What belongs here: what a provider's file looks like. What does not: what is tax and how sums are rounded (`billing`),
where files come from and what they are called (`landing`), how rows are stored (`warehouse`).

To add a format: write a module with a class that satisfies `format.Format`, and name it in `registry.FORMATS`.
"""

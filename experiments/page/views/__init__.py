"""The views of the page: `<name>.py` with a `VIEW`, `<name>.html.j2` and, if it moves, `<name>.js`; found by path."""

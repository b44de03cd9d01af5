"""One module a page; `show(console)` draws it."""

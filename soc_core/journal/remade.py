"""A journal that is not the one it was. Here, so that nobody needs Kafka's client to know of it."""


class Remade(OSError):
    """The journal is not the one that was opened: it was deleted and made anew."""

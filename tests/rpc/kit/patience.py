"""Trying again. No imports from the rest of the kit: the tests of the payment simulator do without stubs."""


def tries(is_good, most=3):
    """1, 2 and so on until @is_good after such a try, at most @most: a machine may stand still once, and chance have its
    way."""
    for number in range(1, most + 1):
        yield number
        if is_good():
            return

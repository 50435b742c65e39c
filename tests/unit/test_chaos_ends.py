"""How long a run of the fault suite waits for the ends of its orders."""

from chaos.ends import STALLED_S, Ends, OpenOrders


class Looking:
    """The open orders and the time, as a test sets them."""

    def __init__(self) -> None:
        self.found: OpenOrders = (3, 9)
        self.now = 1_000.0
        self.ends = Ends(lambda: self.found, lambda: self.now)

    def after(self, seconds: float, found: OpenOrders) -> bool:
        self.now, self.found = self.now + seconds, found
        return self.ends.have_come()


def test_a_run_is_at_its_end_once_no_order_is_open() -> None:
    looking = Looking()
    assert not looking.after(0, (1, 4))
    assert looking.after(1, (0, 0))


def test_orders_that_move_are_waited_for() -> None:
    looking = Looking()
    for version in range(9, 20):
        assert not looking.after(STALLED_S - 1, (3, version))
    assert not looking.after(STALLED_S - 1, (2, 19))  # one of them has ended


def test_orders_of_which_none_moves_are_given_up() -> None:
    looking = Looking()
    assert not looking.after(0, (3, 9))
    assert not looking.after(STALLED_S, (3, 9))
    assert looking.after(1, (3, 9))

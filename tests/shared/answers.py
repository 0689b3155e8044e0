"""Answers to queries about three outputs, what they teach, and whether a ledger balances."""

YES = {"red": True, "shoe": True, "rare": False}
NO = {"red": False, "shoe": True, "rare": False}
TAUGHT = {"red": 1.0, "shoe": 1.0, "rare": 0.0}


def balanced(desk):
    balance = desk.ledger.balance()
    return balance == desk.ledger.recount() and balance["issued"] == sum(
        n for name, n in balance.items() if name != "issued"
    )

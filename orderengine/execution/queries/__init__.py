"""Reading orders, their events, lists and quotes; changes nothing."""

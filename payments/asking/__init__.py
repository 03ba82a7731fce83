"""Payment links: issued, sent, reminded of, reissued, let go; and money that comes late all the same."""

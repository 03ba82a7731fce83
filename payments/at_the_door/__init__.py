"""Money from who stands there or says they sent it: cash, card slips, shifts, EFT; and who may come in."""

"""Days and months that two people sign: what is in the way, papers and journals, what comes later."""

"""How right is matching? Simulated years, worked through night by night, held against what really happened.

The desk sees what a desk would: registrations, what the gateway said, what tills counted, statement lines.
Truth comes from the simulator alone, and only ``tally`` and the person who works off what is left look at it:
each line that was not safe to accept is matched rightly by hand the same night, and the memory of payers
learns from that.
"""

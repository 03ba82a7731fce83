"""Reports: what came, what is open, what it cost, on the days somebody asks for.

A report is one frozen object (``report``), made from what the tables hold (``making`` and a room for each);
the screen, CSV and XLSX (``files``) and PDF (``pdf``) all come from it, so that they cannot differ.
``ledger`` is the money that all of them count, ``period`` the days, ``papers`` how a file is taken away.
"""

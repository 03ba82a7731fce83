"""Payments as files: what is taken out, written down, and can be proved later.

``layout`` says what a file holds and looks like, ``statement`` asks the database for exactly that,
``child`` writes it in a process of its own (``csv_file``, ``xlsx_file``, ``cells``), ``run`` starts the child
and passes on its bytes, ``records`` keeps who took what, ``presets`` how people like their files, and
``verify`` says whether a file is one of ours.

Nothing is imported here: ``child`` has to be ready in a few hundredths of a second.
"""

"""Reports and saved views that go out by themselves, to people who have no login here.

``recurrence`` says when, ``plan`` what and to whom, ``book`` keeps the plans and what became of each;
``making`` is the worker's part, ``mailing`` what the mail says and what goes with it, ``links`` is how a
file is opened. What goes out never tells of a payer.
"""

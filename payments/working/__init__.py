"""The worker: its rounds, its lease, what each job came to."""

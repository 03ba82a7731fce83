"""People at the desk: who they are, how they come in and prove it anew, what each may do."""

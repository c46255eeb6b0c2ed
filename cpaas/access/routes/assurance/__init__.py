"""Who did what, and how dependable it is: accesses, the record, copies, states, metrics."""

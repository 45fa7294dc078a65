"""A service that runs coded inference: whom it sends what, whom it waits for, and what each query is answered with."""

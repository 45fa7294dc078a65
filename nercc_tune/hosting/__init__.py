"""A coded service on Ray Serve: started, watched, given another code while it runs, and ended."""

"""How many workers, which code and which waiting rule meet a goal at the least cost."""

"""How text that a user did not type is shown: on one line, without passwords; and times for a reader."""

"""Running a study: from its file to a judged, tracked and exported table, by one worker or many."""

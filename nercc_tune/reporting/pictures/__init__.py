"""What each picture shows, whoever draws it: pure functions of records, which know neither matplotlib nor plotly."""

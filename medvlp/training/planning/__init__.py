"""What a run will need and how long its steps will take, told before it is queued."""

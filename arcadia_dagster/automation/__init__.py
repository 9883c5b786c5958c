"""What runs by itself: jobs, and later sensors and schedules."""

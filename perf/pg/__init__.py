"""What PostgreSQL tells about itself: plans and statistics."""

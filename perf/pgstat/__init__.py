"""What PostgreSQL says of a database: reports, findings, snapshots. It only reads."""

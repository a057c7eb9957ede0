"""What `manage.py benchmark_paths` sets the REST API beside: the same work, done the usual way."""

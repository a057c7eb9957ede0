"""Task records from outside and from nowhere: imported ones and the demo's."""

"""Labels of captions while a policy trains: an asynchronous annotator, who it asks, and models learned from labels."""

"""Objects in buckets: S3, Google Cloud Storage and Azure Blob Storage, over the one library that the extra `buckets` brings.

What belongs here: where a bucket is, the requests to it with their bounds, and what a person does about an answer. What does not:
what the objects mean (`landing`).
"""

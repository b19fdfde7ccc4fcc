"""What stands between the server and Django: bodies received whole, answers made on threads, answers sent.

No thread ever waits for a client, and no client holds anything for longer than a deadline.
"""

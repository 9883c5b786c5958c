"""The worlds that tests are told in: what accounts are charged, the documents that state it, and how providers deliver them."""

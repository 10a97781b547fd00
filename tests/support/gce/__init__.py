"""A Compute Engine to test with: a WSGI app on loopback, which holds each request and answer against its document."""

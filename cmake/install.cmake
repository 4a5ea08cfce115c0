# filled in with the client library

"""Function URLs and HTTP APIs on the loopback interface, with payload format version 2.0."""

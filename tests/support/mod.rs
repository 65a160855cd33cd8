//! The harness: private servers, databases made for one test, the binary in a terminal.

//! The command face: the same core without a terminal.

//! The terminal face: the dashboard.

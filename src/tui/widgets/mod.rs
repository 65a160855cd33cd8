//! Small pieces that several screens draw.

//! Private servers and the demo fleet. The test harness starts its servers with [`servers`] too.

pub mod servers;

//! Plain types and pure rules. Nothing here does I/O, knows a terminal or a wire protocol.

pub mod audit;
pub mod causes;
pub mod environment;
pub mod export;
pub mod filter;
pub mod fleet;
pub mod flush;
pub mod ident;
pub mod job;
pub mod job_words;
pub mod ledger;
pub mod life;
pub mod link;
pub mod others_code;
pub mod secret;
pub mod server;
pub mod tenant;
pub mod times;
pub mod vitals;

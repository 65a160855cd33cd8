//! Colours and marks. Nothing may depend on colour alone.

/// A theme.
#[derive(Debug, Clone, Default)]
pub struct Theme {}

impl Theme {
    /// The theme of a name or a file.
    ///
    /// # Errors
    /// When there is no such theme, or the file does not parse: what failed, why, what to do.
    pub fn load(_name: &str) -> Result<Self, String> {
        Ok(Self::default())
    }
}

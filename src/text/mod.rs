//! Words and figures as people read them, fit for a terminal.
//!
//! - [`choice`]: one word for each of a few choices
//! - [`visible`]: shows what in names and values would act on a terminal
//! - [`fit`]: text cut to so many columns
//! - [`number_format`]: counts, sizes, rates and durations
//! - [`flags`]: the flags that sentences name
//! - [`nearest`]: the word that was meant
//! - [`phrases`]: lists of names, words for a shell

pub mod choice;
pub mod fit;
pub mod flags;
pub mod nearest;
pub mod number_format;
pub mod phrases;
pub mod visible;

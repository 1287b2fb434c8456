//! As much of Python as the chapter's lines need, read and run natively: strings as Python writes
//! them, calls of `re`, `print`, small functions for `re.sub`. There are no loops: every line ends.

mod builtin;
mod call;
mod eval;
mod lexer;
mod literal;
mod method;
mod parser;
mod value;

pub use call::{flags_of, found_text, replacement};
pub use eval::Session;
pub use literal::unquote;
pub use parser::function;
pub use value::{Exception, Value};

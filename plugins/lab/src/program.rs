//! The library as a program: what runs when the dynamic linker is given the plugin's file.
//!
//! `unsafe`: the attribute that exports the entry.

/// Makes a lab's library a program that runs its experiments; the crate's build script must be
/// `plugins/lab/program.rs`.
#[macro_export]
macro_rules! program {
    ($lab:expr) => {
        const _: () = {
            /// The `main` of the C start code in this library.
            #[unsafe(export_name = "lab_main")]
            extern "C" fn main() -> i32 {
                $crate::keeper::main(&$lab)
            }
        };
    };
}

//! The program `tenon`.

fn main() -> std::process::ExitCode {
    tenon::cli::run()
}

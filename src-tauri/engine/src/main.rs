//! The command `holdfast`.

fn main() -> std::process::ExitCode {
    holdfast::cli::run()
}

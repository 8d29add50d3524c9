//! The command line: everything is in the library.

fn main() -> std::process::ExitCode {
    // Variables that are no Unicode cannot be meant for a scenario.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    benchrig::cli::main(std::env::args_os(), environment).into()
}

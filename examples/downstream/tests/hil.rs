//! The scenarios of this repository, each a test.

#[rstest::rstest]
fn scenario(
    #[files("tests/scenarios/**/*.yaml")]
    #[exclude("(^|/)_")]
    path: std::path::PathBuf,
) {
    benchrig::hil::run_file(path);
}

//! What happens to snapshots that are new or differ.
//!
//! Source: insta's documentation, "Updating Snapshots": `INSTA_UPDATE` (`auto`, `always`, `unseen`,
//! `new`, `no`), `INSTA_FORCE_PASS`, and `CI`. Ours is stricter in one point: under `CI` nothing is
//! ever written.

use std::collections::BTreeMap;

/// Where the new contents of a snapshot go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenNew {
    /// Into the snapshot itself.
    Accept,
    /// Beside it as `.snap.new`, for review.
    Pend,
    /// Nowhere.
    Discard,
}

/// What happens to snapshots that are new or differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// There is no snapshot yet.
    pub unseen: WhenNew,
    /// There is one, and it differs.
    pub changed: WhenNew,
    /// Whether a step passes although its snapshot differs (`cargo insta test` wants to see all).
    pub force_pass: bool,
}

/// An `INSTA_UPDATE` that insta does not know either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("INSTA_UPDATE={0} is none of auto, always, unseen, new, no, force")]
pub struct UnknownUpdate(String);

impl SnapshotPolicy {
    /// The policy of the environment; `update` is the person's `--update`.
    ///
    /// # Errors
    /// When `INSTA_UPDATE` is none of the known words.
    pub fn from_environment(
        environment: &BTreeMap<String, String>,
        update: bool,
    ) -> Result<Self, UnknownUpdate> {
        use WhenNew::{Accept, Discard, Pend};
        let variable = |name: &str| environment.get(name).map(String::as_str);
        let word = variable("INSTA_UPDATE").filter(|word| !word.is_empty()).unwrap_or("auto");
        let (unseen, changed) = match word {
            "always" | "force" | "1" => (Accept, Accept),
            "auto" | "new" => (Pend, Pend),
            "unseen" => (Accept, Pend),
            "no" | "0" => (Discard, Discard),
            other => return Err(UnknownUpdate(other.to_owned())),
        };
        let (unseen, changed) = if update { (Accept, Accept) } else { (unseen, changed) };
        let (unseen, changed) =
            if is_ci(variable("CI")) { (Discard, Discard) } else { (unseen, changed) };
        let force_pass =
            matches!(variable("INSTA_FORCE_PASS"), Some(word) if word != "0" && !word.is_empty());
        Ok(Self { unseen, changed, force_pass })
    }
}

/// Whether the variable `CI` says that this is continuous integration.
pub fn is_ci(value: Option<&str>) -> bool {
    !matches!(value, None | Some("" | "0" | "false"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use WhenNew::{Accept, Discard, Pend};
    use rstest::rstest;

    #[rstest]
    #[case(&[], false, (Pend, Pend))]
    #[case(&[], true, (Accept, Accept))]
    #[case(&[("INSTA_UPDATE", "unseen")], false, (Accept, Pend))]
    #[case(&[("INSTA_UPDATE", "no")], false, (Discard, Discard))]
    #[case(&[("CI", "true"), ("INSTA_UPDATE", "always")], true, (Discard, Discard))]
    #[case(&[("CI", "false")], false, (Pend, Pend))]
    fn the_environment_decides_and_ci_never_writes(
        #[case] variables: &[(&str, &str)],
        #[case] update: bool,
        #[case] expected: (WhenNew, WhenNew),
    ) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = variables.iter().map(owned).collect();
        let policy = SnapshotPolicy::from_environment(&environment, update).unwrap();
        assert_eq!((policy.unseen, policy.changed), expected);
    }

    #[test]
    fn an_unknown_word_is_an_error() {
        let environment = [("INSTA_UPDATE".to_owned(), "perhaps".to_owned())].into();
        assert!(SnapshotPolicy::from_environment(&environment, false).is_err());
    }
}
